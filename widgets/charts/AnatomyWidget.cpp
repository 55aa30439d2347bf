// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/AnatomyWidget.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>

namespace qs::ui {

AnatomyWidget::AnatomyWidget(QWidget* parent) : QAbstractScrollArea(parent) {
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setAccessibleName(tr("Anatomy of one group of weights"));
    installExportMenu(this, this);
    connect(horizontalScrollBar(), &QAbstractSlider::actionTriggered, this, [this] { m_toReveal = -1; });
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, viewport(), qOverload<>(&QWidget::update));
}

void AnatomyWidget::setData(AnatomyDataPtr data) {
    const QString chosen =
        m_data && m_method < m_data->methods.size() ? m_data->methods[m_method].label : QString();
    const bool same = !empty() && data && data->row == m_data->row && data->columns == m_data->columns;
    m_data = std::move(data);
    m_method = 0;
    for (int i = 0; m_data && i < m_data->methods.size(); ++i)
        if (m_data->methods[i].label == chosen) m_method = i;
    updateScrollBar();
    if (!same) m_toReveal = empty() ? -1 : m_data->largest;
    reveal(m_toReveal);
    // Room for the methods; more than a few may be cut.
    constexpr int kMostRows = 6, kRowHeight = 22, kRest = 90;
    setMinimumHeight(kRest + kRowHeight * (m_data ? std::min(kMostRows, int(m_data->methods.size())) : 0));
    viewport()->update();
}

void AnatomyWidget::reveal(int index) {
    if (index < 0 || empty()) return;
    const Layout l = layoutFor(QSizeF(viewport()->size()), horizontalScrollBar()->value());
    const double x = index * l.cell, view = l.right - l.left;
    if (x < l.scroll)
        horizontalScrollBar()->setValue(int(x));
    else if (x + l.cell > l.scroll + view)
        horizontalScrollBar()->setValue(int(x + l.cell - view + 1));
}

void AnatomyWidget::setCurrentMethod(int method) {
    if (!m_data || method < 0 || method >= m_data->methods.size() || method == m_method) return;
    m_method = method;
    viewport()->update();
    emit methodSelected(method);
}

void AnatomyWidget::setCurrentColumn(int column) {
    m_column = column;
    viewport()->update();
}

void AnatomyWidget::updateScrollBar() {
    if (empty()) return horizontalScrollBar()->setRange(0, 0);
    const Layout l = layoutFor(QSizeF(viewport()->size()), 0);
    const double content = l.cell * double(m_data->columns.size()), view = l.right - l.left;
    horizontalScrollBar()->setRange(0, std::max(0, int(content - view)));
    horizontalScrollBar()->setPageStep(int(view));
    horizontalScrollBar()->setSingleStep(int(l.cell));
}

void AnatomyWidget::resizeEvent(QResizeEvent*) {
    updateScrollBar();
    reveal(m_toReveal);
}

void AnatomyWidget::scrollContentsBy(int, int) {
    viewport()->update();
}

void AnatomyWidget::paintEvent(QPaintEvent*) {
    QPainter p(viewport());
    p.fillRect(viewport()->rect(), theme().base);
    paintContent(p, QSizeF(viewport()->size()), horizontalScrollBar()->value(), true);
}

void AnatomyWidget::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    paintContent(painter, QSizeF(size), horizontalScrollBar()->value(), false);
}

int AnatomyWidget::indexAt(const QPointF& at) const {
    if (empty()) return -1;
    const Layout l = layoutFor(QSizeF(viewport()->size()), horizontalScrollBar()->value());
    if (at.x() < l.left || at.x() >= l.right) return -1;
    const int index = int((at.x() - l.left + l.scroll) / l.cell);
    return index < m_data->columns.size() ? index : -1;
}

void AnatomyWidget::select(int index) {
    setCurrentColumn(m_data->columns[index]);
    m_toReveal = -1;
    reveal(index);
    emit columnSelected(m_column);
}

void AnatomyWidget::mousePressEvent(QMouseEvent* event) {
    if (empty() || event->button() != Qt::LeftButton) return QAbstractScrollArea::mousePressEvent(event);
    for (int r = 0; r < m_data->methods.size(); ++r) {
        const QRectF row = codeRect(r, 0);
        if (event->position().y() >= row.top() && event->position().y() < row.bottom()) setCurrentMethod(r);
    }
    if (const int index = indexAt(event->position()); index >= 0) select(index);
}

void AnatomyWidget::keyPressEvent(QKeyEvent* event) {
    if (empty()) return QAbstractScrollArea::keyPressEvent(event);
    const int last = int(m_data->columns.size()) - 1, at = int(m_data->columns.indexOf(m_column));
    switch (event->key()) {
    case Qt::Key_Up:
        return setCurrentMethod(m_method - 1);
    case Qt::Key_Down:
        return setCurrentMethod(m_method + 1);
    case Qt::Key_Left:
        return select(std::max(0, at - 1));
    case Qt::Key_Right:
        return select(std::min(last, at + 1));
    case Qt::Key_Home:
        return select(0);
    case Qt::Key_End:
        return select(last);
    default:
        QAbstractScrollArea::keyPressEvent(event);
    }
}

QString AnatomyWidget::describe(int index) const {
    QStringList lines = {
        tr("Input %1: w = %2").arg(m_data->columns[index]).arg(formatNumber(m_data->weights[index], 5))};
    for (const AnatomyMethod& m : m_data->methods)
        if (index < m.codes.size())
            lines << tr("%1: code %2, w′ = %3%4")
                         .arg(m.label)
                         .arg(m.codes[index])
                         .arg(formatNumber((m.levels[index] - m.zero) * m.scale, 5),
                              m.nearest[index] ? QString() : tr(", not the nearest level"));
    return lines.join(QLatin1Char('\n'));
}

bool AnatomyWidget::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int index = indexAt(help->pos());
        if (index >= 0)
            QToolTip::showText(help->globalPos(), describe(index), this);
        else
            QToolTip::showText(help->globalPos(),
                               tr("scale: step between levels\nweight: ‖w′ − w‖ / ‖w‖ of this group, %\n"
                                  "output: e Σ eᵀ / w Σ wᵀ of the whole row, %; less is better"),
                               this);
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

QString AnatomyWidget::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("row,input,weight");
    for (const AnatomyMethod& m : m_data->methods)
        if (!m.codes.isEmpty())
            csv += QLatin1Char(',') + csvField(m.label + QStringLiteral(" code")) + QLatin1Char(',') +
                   csvField(m.label + QStringLiteral(" value"));
    csv += QLatin1Char('\n');
    for (int i = 0; i < m_data->columns.size(); ++i) {
        csv += QStringLiteral("%1,%2,%3")
                   .arg(m_data->row)
                   .arg(m_data->columns[i])
                   .arg(csvNumber(m_data->weights[i]));
        for (const AnatomyMethod& m : m_data->methods)
            if (!m.codes.isEmpty())
                csv +=
                    QStringLiteral(",%1,%2").arg(m.codes[i]).arg(csvNumber((m.levels[i] - m.zero) * m.scale));
        csv += QLatin1Char('\n');
    }
    return csv;
}

QString AnatomyWidget::pictureName() const {
    return m_data ? tr("Anatomy of row %1, group %2").arg(m_data->row).arg(m_data->group) : tr("Anatomy");
}

} // namespace qs::ui
