// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/TokenMapWidget.h"

#include "widgets/charts/ExportMenu.h"

#include <QAccessible>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QPaintEvent>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kLeastChannels = 8;
constexpr double kReadableRow = 12, kTallestRow = 36;
constexpr double kBarSteps = 1000; ///< of the horizontal scroll bar per whole width
} // namespace

TokenMapWidget::TokenMapWidget(QWidget* parent) : QAbstractScrollArea(parent) {
    setAccessibleName(tr("Tokens by channels"));
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    viewport()->setMouseTracking(true);
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, viewport(), qOverload<>(&QWidget::update));
}

void TokenMapWidget::setData(TokenMapDataPtr data) {
    const bool same = m_data && data && m_data->tokenCount() == data->tokenCount() &&
                      m_data->channelCount() == data->channelCount();
    m_data = std::move(data);
    m_painter.clearCache();
    if (!same) {
        m_view.cross = {-1, -1};
        showReadable();
    }
    if (m_view.mode == TokenMode::ZScore && !empty() && !m_data->z) m_view.mode = TokenMode::Magnitude;
    viewport()->update();
}

void TokenMapWidget::setMode(TokenMode mode) {
    m_view.mode = mode;
    viewport()->update();
}

TokenMapLayout TokenMapWidget::currentLayout() const {
    return empty() ? TokenMapLayout() : tokenMapLayout(*m_data, m_view, QSizeF(viewport()->size()));
}

double TokenMapWidget::fitRowHeight() const {
    const double room = viewport()->height() - tokenMapChrome();
    return empty() ? kReadableRow : std::max(0.05, room / m_data->tokenCount());
}

void TokenMapWidget::showReadable() {
    if (empty()) {
        updateScrollBars();
        return;
    }
    m_view.firstChannel = 0;
    m_view.endChannel = m_data->channelCount();
    m_view.rowHeight = std::clamp(fitRowHeight(), kReadableRow, kTallestRow);
    m_view.top = 0;
    updateScrollBars();
    viewport()->update();
    emit rangeChanged();
}

void TokenMapWidget::showAll() {
    if (empty()) return;
    m_view.firstChannel = 0;
    m_view.endChannel = m_data->channelCount();
    m_view.rowHeight = std::min(fitRowHeight(), kTallestRow);
    m_view.top = 0;
    updateScrollBars();
    viewport()->update();
    emit rangeChanged();
}

bool TokenMapWidget::showsAll() const {
    return m_view.rowHeight <= fitRowHeight() + 0.01 &&
           m_view.endChannel - m_view.firstChannel > m_data->channelCount() - 0.5;
}

void TokenMapWidget::setChannelRange(double first, double end) {
    if (empty()) return;
    const double all = m_data->channelCount();
    const double width = std::clamp(end - first, std::min(kLeastChannels, all), all);
    m_view.firstChannel = std::clamp(first, 0.0, all - width);
    m_view.endChannel = m_view.firstChannel + width;
    updateScrollBars();
    viewport()->update();
    emit rangeChanged();
}

void TokenMapWidget::zoomChannels(double factor, double aroundX) {
    const TokenMapLayout l = currentLayout();
    const double share = std::clamp((aroundX - l.plot.left()) / l.plot.width(), 0.0, 1.0);
    const double width = m_view.endChannel - m_view.firstChannel, at = m_view.firstChannel + share * width;
    setChannelRange(at - share * width * factor, at + (1 - share) * width * factor);
}

void TokenMapWidget::setRowHeight(double height, double aroundY) {
    const TokenMapLayout l = currentLayout();
    const double y = std::clamp(aroundY - l.plot.top(), 0.0, l.plot.height());
    const double token = (m_view.top + y) / m_view.rowHeight;
    m_view.rowHeight = std::clamp(height, std::min(fitRowHeight(), kReadableRow), kTallestRow);
    m_view.top = token * m_view.rowHeight - y;
    updateScrollBars();
    viewport()->update();
}

void TokenMapWidget::updateScrollBars() {
    m_updatingBars = true;
    const double room = std::max(1.0, viewport()->height() - tokenMapChrome());
    const double content = empty() ? 0 : m_data->tokenCount() * m_view.rowHeight;
    const double most = std::max(0.0, std::ceil(content - room - 0.5));
    m_view.top = std::clamp(m_view.top, 0.0, most);
    verticalScrollBar()->setRange(0, int(most));
    verticalScrollBar()->setPageStep(int(room));
    verticalScrollBar()->setSingleStep(std::max(1, int(m_view.rowHeight * 3)));
    verticalScrollBar()->setValue(int(m_view.top));
    m_view.top = verticalScrollBar()->value();
    const double width = m_view.endChannel - m_view.firstChannel, all = empty() ? 1 : m_data->channelCount();
    const double hidden = empty() ? 0 : all - width;
    horizontalScrollBar()->setRange(0, hidden > 0.5 ? int(hidden / width * kBarSteps) : 0);
    horizontalScrollBar()->setPageStep(int(kBarSteps));
    horizontalScrollBar()->setSingleStep(int(kBarSteps / 20));
    horizontalScrollBar()->setValue(hidden > 0.5 ? int(m_view.firstChannel / width * kBarSteps) : 0);
    m_updatingBars = false;
}

void TokenMapWidget::scrollContentsBy(int dx, int) {
    if (m_updatingBars || empty()) return;
    m_view.top = verticalScrollBar()->value();
    if (dx != 0) {
        const double width = m_view.endChannel - m_view.firstChannel;
        m_view.firstChannel =
            std::min(horizontalScrollBar()->value() * width / kBarSteps, m_data->channelCount() - width);
        m_view.endChannel = m_view.firstChannel + width;
    }
    viewport()->update();
}

void TokenMapWidget::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    if (!empty() && m_view.rowHeight < fitRowHeight())
        m_view.rowHeight = std::min(fitRowHeight(), kTallestRow);
    updateScrollBars();
    if (!empty() && m_view.cross.x() >= 0) ensureVisible(m_view.cross);
    emit rangeChanged();
}

void TokenMapWidget::setCrosshair(const QPoint& cell) {
    if (empty() || cell == m_view.cross) return;
    const bool inside = QRect(0, 0, m_data->channelCount(), m_data->tokenCount()).contains(cell);
    m_view.cross = inside ? cell : QPoint(-1, -1);
    if (inside) ensureVisible(cell);
    setAccessibleDescription(inside ? describe(cell) : QString());
    QAccessibleEvent event(this, QAccessible::DescriptionChanged);
    QAccessible::updateAccessibility(&event);
    viewport()->update();
}

void TokenMapWidget::moveCross(const QPoint& cell) {
    const QPoint before = m_view.cross;
    setCrosshair(cell);
    if (m_view.cross != before) emit crosshairMoved(m_view.cross.x(), m_view.cross.y());
}

void TokenMapWidget::ensureVisible(const QPoint& cell) {
    const double width = m_view.endChannel - m_view.firstChannel;
    if (cell.x() < m_view.firstChannel || cell.x() + 1 > m_view.endChannel)
        setChannelRange(cell.x() + 0.5 - width / 2, cell.x() + 0.5 + width / 2);
    const double room = std::max(1.0, viewport()->height() - tokenMapChrome());
    const double y = cell.y() * m_view.rowHeight;
    if (y < m_view.top)
        m_view.top = y;
    else if (y + m_view.rowHeight > m_view.top + room)
        m_view.top = y + m_view.rowHeight - room + 1;
    updateScrollBars();
}

QString TokenMapWidget::describe(const QPoint& cell) const {
    QStringList lines = {tokenCellTitle(*m_data, cell)};
    for (const auto& [key, value] : tokenCellFacts(*m_data, currentLayout(), cell))
        lines += key + QStringLiteral(": ") + value;
    lines += tr("z = (x − median) / (1.4826 × median |x − median|) over the channels of the token");
    if (!m_data->rule.isEmpty()) lines += tr("massive: |x| ≥ %1").arg(m_data->rule);
    return lines.join(QLatin1Char('\n'));
}

bool TokenMapWidget::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip && !empty()) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const TokenMapLayout l = currentLayout();
        QPoint cell = l.cellAt(QPointF(help->pos()));
        if (cell.x() < 0 || cell == m_view.cross) {
            QToolTip::hideText();
            return true;
        }
        // What the pixel shows: its strongest channel.
        const auto [first, end] = l.channelsAt(help->pos().x());
        cell.setX(m_data->values->strongestChannel(cell.y(), first, end));
        QToolTip::showText(help->globalPos(), describe(cell), viewport());
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void TokenMapWidget::paintEvent(QPaintEvent* event) {
    QPainter p(viewport());
    p.fillRect(event->rect(), theme().base);
    if (empty()) {
        p.setPen(theme().text3);
        p.drawText(viewport()->rect().adjusted(24, 12, -24, -12), Qt::AlignCenter | Qt::TextWordWrap,
                   m_data ? m_data->emptyText : QString());
        return;
    }
    m_painter.paint(p, *m_data, m_view, QSizeF(viewport()->size()));
    if (!hasFocus()) return;
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(QRectF(viewport()->rect()).adjusted(0.5, 0.5, -0.5, -0.5));
}

void TokenMapWidget::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}

void TokenMapWidget::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    viewport()->update();
}

void TokenMapWidget::wheelEvent(QWheelEvent* event) {
    const double steps = event->angleDelta().y() / 120.0 + event->angleDelta().x() / 120.0;
    const bool ctrl = event->modifiers() & Qt::ControlModifier,
               shift = event->modifiers() & Qt::ShiftModifier;
    if (empty() || (!ctrl && !shift)) {
        QAbstractScrollArea::wheelEvent(event);
        return;
    }
    if (ctrl && shift)
        setRowHeight(m_view.rowHeight * std::pow(1.25, steps), event->position().y());
    else if (ctrl)
        zoomChannels(std::pow(1.25, -steps), event->position().x());
    else
        horizontalScrollBar()->setValue(horizontalScrollBar()->value() - int(steps * kBarSteps / 8));
    event->accept();
}

void TokenMapWidget::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || empty()) return;
    m_pressAt = event->position();
    m_pressView = m_view;
    m_pressed = true;
    m_panning = false;
}

void TokenMapWidget::mouseMoveEvent(QMouseEvent* event) {
    if (!m_pressed) return;
    const QPointF moved = event->position() - m_pressAt;
    if (!m_panning && moved.manhattanLength() < 6) return;
    m_panning = true;
    viewport()->setCursor(Qt::ClosedHandCursor);
    const double channels = moved.x() / currentLayout().pixelsPerChannel();
    m_view.top = m_pressView.top - moved.y();
    setChannelRange(m_pressView.firstChannel - channels, m_pressView.endChannel - channels);
}

void TokenMapWidget::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_pressed) return;
    m_pressed = false;
    viewport()->unsetCursor();
    if (m_panning) return;
    const TokenMapLayout l = currentLayout();
    QPoint cell = l.cellAt(event->position());
    if (cell.x() < 0) return;
    const auto [first, end] = l.channelsAt(event->position().x());
    cell.setX(m_data->values->strongestChannel(cell.y(), first, end));
    moveCross(cell);
}

void TokenMapWidget::mouseDoubleClickEvent(QMouseEvent* event) {
    if (empty()) return;
    const double all = m_data->channelCount();
    if (m_view.endChannel - m_view.firstChannel < all - 0.5) {
        setChannelRange(0, all);
        return;
    }
    zoomChannels(1 / 8.0, event->position().x());
}

void TokenMapWidget::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    if (empty()) return;
    TokenMapView view = m_view;
    view.interactive = false;
    view.firstChannel = 0;
    view.endChannel = m_data->channelCount();
    view.rowHeight = std::max(0.05, (size.height() - tokenMapChrome()) / m_data->tokenCount());
    view.top = 0;
    TokenMapPainter().paint(painter, *m_data, view, QSizeF(size));
}

QString TokenMapWidget::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("position,token");
    for (int c = 0; c < m_data->channelCount(); ++c)
        csv += QStringLiteral(",%1").arg(c);
    csv += QLatin1Char('\n');
    for (int t = 0; t < m_data->tokenCount(); ++t) {
        csv += QStringLiteral("%1,%2").arg(t).arg(csvField(m_data->tokens.value(t)));
        for (int c = 0; c < m_data->channelCount(); ++c)
            csv += QLatin1Char(',') + csvNumber(double(m_data->values->value(t, c)));
        csv += QLatin1Char('\n');
    }
    return csv;
}

QString TokenMapWidget::pictureName() const {
    return QStringLiteral("tokens-") + (m_data ? m_data->site : QString());
}

} // namespace qs::ui
