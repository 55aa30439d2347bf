// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/ErrorMapWidget.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/theme/Theme.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kBarHeight = 10;

/// The cells [first, last) behind pixel `i` of `pixels` that show `count` cells.
std::pair<int, int> behind(int i, int pixels, int count) {
    const int first = int(qint64(i) * count / pixels);
    return {first, std::max(first + 1, int(qint64(i + 1) * count / pixels))};
}

} // namespace

ErrorMapWidget::ErrorMapWidget(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Where the error is: output channel by group of inputs"));
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, [this] {
        m_image = {};
        update();
    });
}

void ErrorMapWidget::setData(ErrorMapDataPtr data) {
    if (data && !data->isConsistent()) data.reset();
    m_data = std::move(data);
    m_image = {};
    if (!empty()) {
        QVector<double> values;
        values.reserve(m_data->values.size());
        for (const float v : m_data->values)
            values.push_back(v);
        m_scale = Normalization::fromValues(values, false, false);
    }
    update();
}

void ErrorMapWidget::setCurrent(int row, int group) {
    m_row = row;
    m_group = group;
    update();
}

PlotAxes ErrorMapWidget::axesFor(const QSizeF& size) const {
    PlotAxes a;
    const QFontMetricsF fm(chartFont());
    const int last = m_data->rows * m_data->rowStep;
    const double bottom = bottomAxisHeight(true) + kBarHeight + fm.height() + 16;
    const double height = std::max(20.0, size.height() - 10 - bottom);
    a.yTicks = indexTicks(0, last, last, std::clamp(int(height / 40), 2, 6));
    std::reverse(a.yTicks.begin(), a.yTicks.end()); // rows run downwards, labels are set from the bottom up
    const double left = 8 + leftAxisWidth(a.yTicks, true);
    const double room = std::max(20.0, size.width() - left - 18);
    // Whole pixels per group, so that equal groups look equal.
    const double cell = std::max(1.0, std::floor(room / m_data->groups));
    a.plot =
        QRectF(std::round(left), 10, std::min(room, m_data->groups >= room ? room : cell * m_data->groups),
               std::floor(height));
    a.x = {0, double(m_data->groups), a.plot.left(), a.plot.right(), false};
    a.y = {0, double(last), a.plot.top(), a.plot.bottom(), false};
    a.xTicks = indexTicks(0, m_data->groups, m_data->groups, std::clamp(int(a.plot.width() / 40), 2, 8));
    for (AxisTick& t : a.xTicks)
        t.value += 0.5; // the middle of the group
    const int pooled = int(std::ceil(m_data->rows / a.plot.height()));
    a.yTitle = pooled > 1 ? tr("output channel (max of %1)").arg(pooled) : tr("output channel");
    a.xTitle = m_data->groups == 1 ? tr("one group of %1 inputs").arg(groupedInteger(m_data->groupSize))
                                   : tr("group of %1 inputs").arg(groupedInteger(m_data->groupSize));
    return a;
}

QImage ErrorMapWidget::imageFor(const QSize& size) const {
    const int width = std::clamp(size.width(), 1, m_data->groups);
    const int height = std::clamp(size.height(), 1, m_data->rows);
    const ColorTable& table = colorTable(MapKind::Sequential);
    QImage image(width, height, QImage::Format_ARGB32_Premultiplied);
    for (int y = 0; y < height; ++y) {
        const auto [r0, r1] = behind(y, height, m_data->rows);
        auto* line = reinterpret_cast<QRgb*>(image.scanLine(y));
        for (int x = 0; x < width; ++x) {
            const auto [g0, g1] = behind(x, width, m_data->groups);
            float most = -1;
            for (int r = r0; r < r1; ++r)
                for (int g = g0; g < g1; ++g)
                    most =
                        std::max(most, m_data->values[qsizetype(r) * m_data->groups + g]); // NaN never wins
            line[x] = most < 0
                          ? qRgba(0, 0, 0, 0)
                          : table[size_t(std::lround(m_scale.position(double(most)) * 255))] | 0xff000000u;
        }
    }
    return image;
}

void ErrorMapWidget::paintContent(QPainter& painter, const QSizeF& size, bool interactive) const {
    const Theme& t = theme();
    painter.save();
    painter.setFont(chartFont());
    if (empty()) {
        painter.setFont(bodyFont());
        painter.setPen(t.text3);
        painter.drawText(
            QRectF(8, 8, size.width() - 16, size.height() - 16), Qt::AlignCenter | Qt::TextWordWrap,
            m_data && !m_data->emptyText.isEmpty() ? m_data->emptyText : tr("Nothing to show yet."));
        painter.restore();
        return;
    }
    const PlotAxes axes = axesFor(size);
    const QSize pixels = axes.plot.size().toSize();
    painter.fillRect(axes.plot, notMeasuredBrush());
    if (interactive) {
        if (m_image.isNull() || m_imageFor != pixels) {
            m_image = imageFor(pixels);
            m_imageFor = pixels;
        }
        painter.drawImage(axes.plot, m_image);
    } else {
        painter.drawImage(axes.plot, imageFor(pixels));
    }
    paintAxes(painter, axes);
    ColorBarSpec bar;
    bar.normalization = m_scale;
    bar.title = QStringLiteral("%1 %2").arg(m_data->unit, m_data->valueTitle);
    bar.valid = true;
    const double barWidth = std::clamp(axes.plot.width() - colorBarTitleWidth(bar), 60.0, 140.0);
    paintColorBar(painter, {axes.plot.left(), axes.plot.bottom() + bottomAxisHeight(true) + 6}, barWidth,
                  bar);
    if (m_row >= 0 && m_group >= 0) {
        const QRectF cell = cellRect(m_row, m_group);
        const double w = std::max(7.0, cell.width()), h = std::max(7.0, cell.height());
        painter.setPen(QPen(t.outlier, 1.6));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(cell.center().x() - w / 2, cell.center().y() - h / 2, w, h));
    }
    if (interactive && hasFocus()) {
        painter.setPen(QPen(t.accent, 1));
        painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -1.5, -1.5));
    }
    painter.restore();
}

QRectF ErrorMapWidget::cellRect(int row, int group) const {
    if (empty()) return {};
    const PlotAxes a = axesFor(QSizeF(this->size()));
    const double width = a.plot.width() / m_data->groups, height = a.plot.height() / m_data->rows;
    const int index = row / m_data->rowStep;
    return {a.plot.left() + group * width, a.plot.top() + index * height, width, height};
}

void ErrorMapWidget::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), theme().base);
    paintContent(p, QSizeF(size()), true);
}

void ErrorMapWidget::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    paintContent(painter, QSizeF(size), false);
}

ErrorMapWidget::Cell ErrorMapWidget::cellAt(const QPointF& at) const {
    if (empty()) return {};
    const PlotAxes a = axesFor(QSizeF(size()));
    if (!a.plot.contains(at)) return {};
    const int width = std::clamp(int(a.plot.width()), 1, m_data->groups);
    const int height = std::clamp(int(a.plot.height()), 1, m_data->rows);
    const int x = std::clamp(int((at.x() - a.plot.left()) / a.plot.width() * width), 0, width - 1);
    const int y = std::clamp(int((at.y() - a.plot.top()) / a.plot.height() * height), 0, height - 1);
    const auto [r0, r1] = behind(y, height, m_data->rows);
    const auto [g0, g1] = behind(x, width, m_data->groups);
    Cell best{r0, g0};
    float most = -1;
    for (int r = r0; r < r1; ++r)
        for (int g = g0; g < g1; ++g)
            if (const float v = m_data->values[qsizetype(r) * m_data->groups + g]; v > most) {
                most = v;
                best = {r, g};
            }
    return best;
}

void ErrorMapWidget::select(int row, int group) {
    if (row == m_row && group == m_group) return;
    setCurrent(row, group);
    emit groupSelected(row, group);
}

void ErrorMapWidget::mousePressEvent(QMouseEvent* event) {
    const Cell cell = cellAt(event->position());
    if (event->button() != Qt::LeftButton || cell.row < 0) return QWidget::mousePressEvent(event);
    select(cell.row * m_data->rowStep, cell.group);
}

void ErrorMapWidget::keyPressEvent(QKeyEvent* event) {
    if (empty()) return QWidget::keyPressEvent(event);
    int row = std::max(0, m_row) / m_data->rowStep, group = std::max(0, m_group);
    switch (event->key()) {
    case Qt::Key_Up:
        --row;
        break;
    case Qt::Key_Down:
        ++row;
        break;
    case Qt::Key_Left:
        --group;
        break;
    case Qt::Key_Right:
        ++group;
        break;
    case Qt::Key_PageUp:
        row -= std::max(1, m_data->rows / 10);
        break;
    case Qt::Key_PageDown:
        row += std::max(1, m_data->rows / 10);
        break;
    case Qt::Key_Home:
        row = 0;
        break;
    case Qt::Key_End:
        row = m_data->rows - 1;
        break;
    default:
        return QWidget::keyPressEvent(event);
    }
    select(std::clamp(row, 0, m_data->rows - 1) * m_data->rowStep, std::clamp(group, 0, m_data->groups - 1));
}

QString ErrorMapWidget::describe(const Cell& cell) const {
    const float value = m_data->values[qsizetype(cell.row) * m_data->groups + cell.group];
    const int first = cell.group * m_data->groupSize;
    QString text = tr("Row %1, group %2 (inputs %3 to %4)\n%5: %6 %7")
                       .arg(groupedInteger(qint64(cell.row) * m_data->rowStep), groupedInteger(cell.group),
                            groupedInteger(first), groupedInteger(first + m_data->groupSize - 1),
                            m_data->valueTitle, formatNumber(double(value), 3), m_data->unit);
    if (!m_data->valueHint.isEmpty()) text += QLatin1Char('\n') + m_data->valueHint;
    return text;
}

bool ErrorMapWidget::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const Cell cell = cellAt(help->pos());
        if (cell.row >= 0)
            QToolTip::showText(help->globalPos(), describe(cell), this);
        else
            QToolTip::hideText();
        return true;
    }
    return QWidget::event(event);
}

QString ErrorMapWidget::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("row,group,%1\n")
                      .arg(csvField(m_data->valueTitle + QStringLiteral(", ") + m_data->unit));
    for (int r = 0; r < m_data->rows; ++r)
        for (int g = 0; g < m_data->groups; ++g)
            csv += QStringLiteral("%1,%2,%3\n")
                       .arg(qint64(r) * m_data->rowStep)
                       .arg(g)
                       .arg(csvNumber(double(m_data->values[qsizetype(r) * m_data->groups + g])));
    return csv;
}

} // namespace qs::ui
