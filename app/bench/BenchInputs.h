// SPDX-License-Identifier: GPL-3.0-or-later
// What a user does to a widget, as events of the queue.
#pragma once

#include <QPointF>
#include <QWidget>

namespace qs::app {

void postMove(QWidget* to, const QPointF& at, bool held = false); ///< held: with the left button down
void postPress(QWidget* to, const QPointF& at);
void postRelease(QWidget* to, const QPointF& at);
void postWheel(QWidget* to, const QPointF& at, int delta);
void postKey(QWidget* to, int key);

/// There and back again: `count` positions over [0, 1].
double sweep(int i, int count);

} // namespace qs::app
