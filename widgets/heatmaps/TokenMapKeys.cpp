// SPDX-License-Identifier: GPL-3.0-or-later
// The keyboard half of TokenMapWidget.
#include "widgets/heatmaps/TokenMapWidget.h"

#include <QKeyEvent>
#include <algorithm>

namespace qs::ui {

void TokenMapWidget::stepMark(int direction) {
    QVector<int> marks = m_data->outlierChannels;
    std::sort(marks.begin(), marks.end());
    if (marks.isEmpty()) return;
    const int at = m_view.cross.x();
    int next = direction > 0 ? marks.first() : marks.last();
    for (const int c : marks) {
        if (direction > 0 && c > at) {
            next = c;
            break;
        }
        if (direction < 0 && c < at) next = c;
    }
    if (direction < 0 && next >= at && at >= 0) next = marks.last();
    moveCross({next, std::max(0, m_view.cross.y())});
}

void TokenMapWidget::stepSpike(int direction) {
    const auto& spikes = m_data->spikes;
    if (spikes.isEmpty()) return;
    const qsizetype at = spikes.indexOf(m_view.cross), n = spikes.size();
    moveCross(spikes[at < 0 ? 0 : (at + direction + n) % n]);
}

bool TokenMapWidget::moveByKey(QKeyEvent* event) {
    const int step = event->modifiers() & Qt::ShiftModifier ? 10 : 1;
    QPoint cell = m_view.cross.x() < 0 ? QPoint(0, 0) : m_view.cross;
    switch (event->key()) {
    case Qt::Key_Left:
        cell.rx() -= step;
        break;
    case Qt::Key_Right:
        cell.rx() += step;
        break;
    case Qt::Key_Up:
        cell.ry() -= step;
        break;
    case Qt::Key_Down:
        cell.ry() += step;
        break;
    case Qt::Key_Home:
        cell.setX(0);
        break;
    case Qt::Key_End:
        cell.setX(m_data->channelCount() - 1);
        break;
    case Qt::Key_PageUp:
    case Qt::Key_PageDown:
        cell.ry() += (event->key() == Qt::Key_PageUp ? -1 : 1) *
                     std::max(1, int(currentLayout().plot.height() / m_view.rowHeight) - 1);
        break;
    default:
        return false;
    }
    moveCross({std::clamp(cell.x(), 0, m_data->channelCount() - 1),
               std::clamp(cell.y(), 0, m_data->tokenCount() - 1)});
    return true;
}

bool TokenMapWidget::zoomByKey(int key) {
    const TokenMapLayout l = currentLayout();
    const double x = m_view.cross.x() >= 0 ? l.cellRect(m_view.cross).center().x() : l.plot.center().x();
    if (key == Qt::Key_Plus || key == Qt::Key_Equal)
        zoomChannels(0.5, x);
    else if (key == Qt::Key_Minus)
        zoomChannels(2, x);
    else if (key == Qt::Key_0)
        showsAll() ? showReadable() : showAll();
    else
        return false;
    return true;
}

void TokenMapWidget::keyPressEvent(QKeyEvent* event) {
    if (empty()) return QAbstractScrollArea::keyPressEvent(event);
    const bool ctrl = event->modifiers() & Qt::ControlModifier;
    const int key = event->key();
    bool done = true;
    if (ctrl && (key == Qt::Key_Left || key == Qt::Key_Right))
        stepMark(key == Qt::Key_Right ? 1 : -1);
    else if (key == Qt::Key_N && !ctrl)
        stepSpike(event->modifiers() & Qt::ShiftModifier ? -1 : 1);
    else if (key == Qt::Key_Escape && m_view.cross.x() >= 0)
        setCrosshair({-1, -1});
    else if ((key == Qt::Key_Return || key == Qt::Key_Enter) && m_view.cross.x() >= 0)
        emit channelActivated(m_view.cross.x());
    else
        done = !ctrl && (moveByKey(event) || zoomByKey(key));
    if (done)
        event->accept();
    else
        QAbstractScrollArea::keyPressEvent(event);
}

} // namespace qs::ui
