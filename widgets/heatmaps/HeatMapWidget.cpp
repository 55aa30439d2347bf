// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/HeatMapWidget.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/ExportMenu.h"

#include <QAccessible>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPaintEvent>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

HeatMapWidget::HeatMapWidget(QWidget* parent) : QAbstractScrollArea(parent) {
    setName(tr("Heat map"));
    setEmptyText(tr("Nothing is measured yet."));
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    viewport()->setMouseTracking(true);
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, viewport(), qOverload<>(&QWidget::update));
}

void HeatMapWidget::setName(const QString& name) {
    m_name = name;
    setAccessibleName(name);
}

void HeatMapWidget::setColorBarVisible(bool visible) {
    m_colorBar = visible;
    updateScrollBars();
    viewport()->update();
}

void HeatMapWidget::setEmptyText(const QString& text) {
    m_emptyText = text;
    viewport()->update();
}

void HeatMapWidget::setData(HeatMapDataPtr data) {
    if (data && !data->isConsistent()) data.reset();
    const bool same =
        m_data && data && m_data->rows() == data->rows() && m_data->columns() == data->columns();
    m_data = std::move(data);
    if (!same) {
        m_marks = {};
        m_anchor = {-1, -1};
        m_dragging = false;
        if (hasCells()) {
            m_marks.selected.fill(false, m_data->values.size());
            m_baseSelection = m_marks.selected;
        }
    }
    updateScrollBars();
    updateGeometry();
    viewport()->update();
}

HeatMapLayout HeatMapWidget::currentLayout() const {
    if (!hasCells()) return {};
    return m_painter.layout(*m_data, QSizeF(viewport()->size()),
                            QPointF(horizontalScrollBar()->value(), verticalScrollBar()->value()),
                            m_colorBar);
}

void HeatMapWidget::updateScrollBars() {
    if (!hasCells()) {
        horizontalScrollBar()->setRange(0, 0);
        verticalScrollBar()->setRange(0, 0);
        return;
    }
    const HeatMapLayout l = currentLayout();
    const QSizeF content = l.contentSize();
    horizontalScrollBar()->setRange(0, std::max(0, int(content.width() - l.view.width())));
    horizontalScrollBar()->setPageStep(int(l.view.width()));
    horizontalScrollBar()->setSingleStep(int(l.cellWidth) * 2);
    verticalScrollBar()->setRange(0, std::max(0, int(content.height() - l.view.height())));
    verticalScrollBar()->setPageStep(int(l.view.height()));
    verticalScrollBar()->setSingleStep(int(l.cellHeight) * 2);
}

void HeatMapWidget::setCurrentCell(int row, int column) {
    if (!hasCells()) return;
    const bool inside = row >= 0 && row < m_data->rows() && column >= 0 && column < m_data->columns();
    const QPoint cell = inside ? QPoint(column, row) : QPoint(-1, -1);
    if (cell == m_marks.current) return;
    m_marks.current = cell;
    m_anchor = cell;
    if (inside) ensureVisible(cell);
    viewport()->update();
}

QVector<QPoint> HeatMapWidget::selectedCells() const {
    QVector<QPoint> cells;
    for (int i = 0; i < m_marks.selected.size(); ++i)
        if (m_marks.selected[i]) cells.push_back({i % m_data->columns(), i / m_data->columns()});
    return cells;
}

void HeatMapWidget::setSelectedCells(const QVector<QPoint>& cells) {
    if (!hasCells()) return;
    m_marks.selected.fill(false);
    for (const QPoint& c : cells)
        if (QRect(0, 0, m_data->columns(), m_data->rows()).contains(c))
            m_marks.selected[m_data->index(c.y(), c.x())] = true;
    m_marks.showBrush = m_marks.selected.count(true) > 1;
    viewport()->update();
}

void HeatMapWidget::moveCurrent(const QPoint& cell) {
    if (cell == m_marks.current) return;
    m_marks.current = cell;
    ensureVisible(cell);
    setAccessibleDescription(describe(cell));
    QAccessibleEvent event(this, QAccessible::DescriptionChanged);
    QAccessible::updateAccessibility(&event);
    emit currentCellChanged(cell.y(), cell.x());
}

void HeatMapWidget::selectRect(const QRect& cells, bool keepBase) {
    if (keepBase)
        m_marks.selected = m_baseSelection;
    else
        m_marks.selected.fill(false);
    for (int r = cells.top(); r <= cells.bottom(); ++r)
        for (int c = cells.left(); c <= cells.right(); ++c)
            m_marks.selected[m_data->index(r, c)] = true;
    m_marks.showBrush = m_marks.selected.count(true) > 1;
    viewport()->update();
}

void HeatMapWidget::settle() {
    emit brushed(selectedCells());
}

void HeatMapWidget::ensureVisible(const QPoint& cell) {
    const HeatMapLayout l = currentLayout();
    const QRectF r = l.cellRect(cell.y(), cell.x());
    const auto nudge = [](QScrollBar* bar, double low, double high, double viewLow, double viewHigh) {
        if (low < viewLow)
            bar->setValue(bar->value() - int(std::ceil(viewLow - low)));
        else if (high > viewHigh)
            bar->setValue(bar->value() + int(std::ceil(high - viewHigh)));
    };
    nudge(horizontalScrollBar(), r.left(), r.right(), l.view.left(), l.view.right());
    nudge(verticalScrollBar(), r.top(), r.bottom(), l.view.top(), l.view.bottom());
}

void HeatMapWidget::setHover(const QPoint& cell) {
    if (cell == m_marks.hover) return;
    const HeatMapLayout l = currentLayout();
    for (const QPoint& p : {m_marks.hover, cell})
        if (p.x() >= 0) viewport()->update(l.cellRect(p.y(), p.x()).toAlignedRect().adjusted(-1, -1, 1, 1));
    m_marks.hover = cell;
}

QString HeatMapWidget::describe(const QPoint& cell) const {
    if (!hasCells() || cell.x() < 0) return {};
    const int r = cell.y(), c = cell.x();
    const double v = m_data->value(r, c);
    QString value = std::isnan(v) ? tr("not measured") : formatNumber(v, 3);
    if (!std::isnan(v) && !m_data->unit.isEmpty()) value += QChar(0x202F) + m_data->unit;
    QStringList lines;
    lines += tr("%1, %2 %3").arg(m_data->rowLabels[r], m_data->columnTitle, m_data->columnLabels[c]);
    lines += m_data->valueTitle.isEmpty() ? value : m_data->valueTitle + QStringLiteral(": ") + value;
    if (const QString text = m_data->text(r, c); !text.isEmpty()) lines += tr("in the cell: %1").arg(text);
    const quint8 flags = m_data->flag(r, c);
    if (flags & kCellLocked) lines += tr("locked");
    if (flags & kCellEdited) lines += tr("edited since the last solve");
    if (flags & kCellStale) lines += tr("stale: the recipe changed since this was measured");
    if (flags & kCellStandIn) lines += m_data->standInHint;
    if (flags & kCellFailed) lines += tr("failed: see Problems");
    if (!m_data->valueHint.isEmpty()) lines += m_data->valueHint;
    return lines.join(QLatin1Char('\n'));
}

void HeatMapWidget::showToolTip(const QPoint& cell, const QPoint& globalPos) {
    const QRect area = currentLayout().cellRect(cell.y(), cell.x()).toAlignedRect();
    QToolTip::showText(globalPos, describe(cell), viewport(), area);
}

bool HeatMapWidget::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip && hasCells()) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const QPoint cell = currentLayout().cellAt(help->pos());
        if (cell.x() >= 0)
            showToolTip(cell, help->globalPos());
        else
            QToolTip::hideText();
        return true;
    }
    if (event->type() == QEvent::Leave) setHover({-1, -1});
    return QAbstractScrollArea::viewportEvent(event);
}

void HeatMapWidget::paintEvent(QPaintEvent* event) {
    QPainter p(viewport());
    p.fillRect(event->rect(), theme().base);
    if (!hasCells()) {
        p.setPen(theme().text3);
        p.drawText(viewport()->rect().adjusted(12, 12, -12, -12), Qt::AlignCenter | Qt::TextWordWrap,
                   m_emptyText);
        return;
    }
    m_painter.paint(p, *m_data, currentLayout(), m_marks);
    if (!hasFocus()) return;
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(QRectF(viewport()->rect()).adjusted(0.5, 0.5, -0.5, -0.5));
}

void HeatMapWidget::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}

void HeatMapWidget::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    viewport()->update();
}

void HeatMapWidget::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    updateScrollBars();
}

void HeatMapWidget::scrollContentsBy(int, int) {
    viewport()->update();
}

void HeatMapWidget::changeEvent(QEvent* event) {
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) m_painter.clearCache();
    QAbstractScrollArea::changeEvent(event);
}

bool HeatMapWidget::pressLabel(const QPointF& at) {
    const HeatMapLayout l = currentLayout();
    const bool onRow = at.x() < l.view.left() && at.y() >= l.view.top() && at.y() < l.view.bottom();
    const bool onColumn = l.columnLabels.contains(at);
    if (!onRow && !onColumn) return false;
    const QPoint cell = l.cellAt(at, true);
    const QRect rect =
        onRow ? QRect(0, cell.y(), m_data->columns(), 1) : QRect(cell.x(), 0, 1, m_data->rows());
    m_anchor = rect.topLeft();
    selectRect(rect, false);
    moveCurrent(onRow ? QPoint(std::max(0, m_marks.current.x()), cell.y())
                      : QPoint(cell.x(), std::max(0, m_marks.current.y())));
    settle();
    return true;
}

void HeatMapWidget::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !hasCells()) {
        QAbstractScrollArea::mousePressEvent(event);
        return;
    }
    const QPoint cell = currentLayout().cellAt(event->position());
    if (cell.x() < 0) {
        pressLabel(event->position());
        return;
    }
    const bool extend = event->modifiers() & Qt::ShiftModifier && m_anchor.x() >= 0;
    const bool add = event->modifiers() & Qt::ControlModifier;
    m_baseSelection = m_marks.selected;
    if (!add) m_baseSelection.fill(false);
    if (!extend) m_anchor = cell;
    m_dragging = true;
    selectRect(QRect(m_anchor, m_anchor).united(QRect(cell, cell)), add);
    moveCurrent(cell);
}

void HeatMapWidget::mouseMoveEvent(QMouseEvent* event) {
    if (!hasCells()) return;
    const HeatMapLayout l = currentLayout();
    if (!m_dragging) {
        setHover(l.cellAt(event->position()));
        return;
    }
    const QPoint cell = l.cellAt(event->position(), true);
    if (cell == m_marks.current) return;
    const QRect rect = QRect(m_anchor, m_anchor).united(QRect(cell, cell));
    selectRect(rect, true);
    moveCurrent(cell);
    emit brushMoved(rect);
}

void HeatMapWidget::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_dragging) return;
    m_dragging = false;
    settle();
}

void HeatMapWidget::mouseDoubleClickEvent(QMouseEvent* event) {
    if (!hasCells()) return;
    const QPoint cell = currentLayout().cellAt(event->position());
    if (cell.x() >= 0) emit cellActivated(cell.y(), cell.x());
}

bool HeatMapWidget::handleNavigation(QKeyEvent* event) {
    const QPoint step = event->key() == Qt::Key_Left    ? QPoint(-1, 0)
                        : event->key() == Qt::Key_Right ? QPoint(1, 0)
                        : event->key() == Qt::Key_Up    ? QPoint(0, -1)
                        : event->key() == Qt::Key_Down  ? QPoint(0, 1)
                                                        : QPoint();
    QPoint cell = m_marks.current.x() < 0 ? QPoint(0, 0) : m_marks.current + step;
    if (event->key() == Qt::Key_Home)
        cell = {0, std::max(0, m_marks.current.y())};
    else if (event->key() == Qt::Key_End)
        cell = {m_data->columns() - 1, std::max(0, m_marks.current.y())};
    else if (step.isNull())
        return false;
    cell.setX(std::clamp(cell.x(), 0, m_data->columns() - 1));
    cell.setY(std::clamp(cell.y(), 0, m_data->rows() - 1));
    if (!(event->modifiers() & Qt::ShiftModifier) || m_anchor.x() < 0) m_anchor = cell;
    selectRect(QRect(m_anchor, m_anchor).united(QRect(cell, cell)), false);
    moveCurrent(cell);
    settle();
    return true;
}

bool HeatMapWidget::handleCommand(QKeyEvent* event) {
    const Qt::KeyboardModifiers mods = event->modifiers() & ~Qt::KeypadModifier;
    const int key = event->key();
    if (key == Qt::Key_A && mods == Qt::ControlModifier) {
        selectRect(QRect(0, 0, m_data->columns(), m_data->rows()), false);
        settle();
        return true;
    }
    if (m_marks.current.x() < 0) return false;
    // Shift+6 arrives as the shifted character of the layout: ^ on US, & on most others.
    const bool six = key == Qt::Key_6 || key == Qt::Key_AsciiCircum || key == Qt::Key_Ampersand;
    if (mods == Qt::ShiftModifier && six)
        emit bitsTyped(16);
    else if (mods == Qt::NoModifier && key >= Qt::Key_2 && key <= Qt::Key_8)
        emit bitsTyped(key - Qt::Key_0);
    else if (mods == Qt::NoModifier && (key == Qt::Key_L || key == Qt::Key_U))
        emit lockRequested(key == Qt::Key_L);
    else if (key == Qt::Key_Return || key == Qt::Key_Enter)
        emit cellActivated(m_marks.current.y(), m_marks.current.x());
    else if (key == Qt::Key_Space && mods == Qt::NoModifier) {
        const QRectF r = currentLayout().cellRect(m_marks.current.y(), m_marks.current.x());
        showToolTip(m_marks.current, viewport()->mapToGlobal(r.bottomRight().toPoint()));
    } else if (key == Qt::Key_Escape && m_marks.showBrush) {
        m_anchor = m_marks.current;
        m_dragging = false;
        selectRect(QRect(m_marks.current, m_marks.current), false);
        settle();
    } else {
        return false;
    }
    return true;
}

void HeatMapWidget::keyPressEvent(QKeyEvent* event) {
    const bool plain = !(event->modifiers() & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier));
    if (hasCells() && ((plain && handleNavigation(event)) || handleCommand(event))) {
        event->accept();
        return;
    }
    QAbstractScrollArea::keyPressEvent(event);
}

void HeatMapWidget::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    if (!hasCells()) return;
    HeatMapMarks marks = m_marks;
    marks.hover = {-1, -1};
    m_painter.paint(painter, *m_data, m_painter.layout(*m_data, QSizeF(size), {}, true), marks);
}

QString HeatMapWidget::toCsv() const {
    if (!hasCells()) return {};
    QString value = m_data->valueTitle.isEmpty() ? QStringLiteral("value") : m_data->valueTitle;
    if (!m_data->unit.isEmpty()) value += QStringLiteral(", ") + m_data->unit;
    const auto title = [](const QString& text, const char* fallback) {
        return text.isEmpty() ? QLatin1String(fallback) : text;
    };
    QString csv = csvField(title(m_data->rowTitle, "row")) + QLatin1Char(',') +
                  csvField(title(m_data->columnTitle, "column")) + QLatin1Char(',') + csvField(value) +
                  QStringLiteral(",text\n");
    for (int r = 0; r < m_data->rows(); ++r)
        for (int c = 0; c < m_data->columns(); ++c)
            csv += csvField(m_data->rowLabels[r]) + QLatin1Char(',') + csvField(m_data->columnLabels[c]) +
                   QLatin1Char(',') + csvNumber(m_data->value(r, c)) + QLatin1Char(',') +
                   csvField(m_data->text(r, c)) + QLatin1Char('\n');
    return csv;
}

QString HeatMapWidget::pictureName() const {
    return m_name;
}

QSize HeatMapWidget::sizeHint() const {
    if (!hasCells()) return {480, 240};
    return QSize(160 + m_data->columns() * 44, 80 + m_data->rows() * 30).boundedTo(QSize(1400, 800));
}

} // namespace qs::ui
