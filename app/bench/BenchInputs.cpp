// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/BenchInputs.h"

#include <QCoreApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QWheelEvent>

namespace qs::app {

namespace {

void postMouse(QWidget* to, QEvent::Type type, const QPointF& at, Qt::MouseButton button,
               Qt::MouseButtons held) {
    QCoreApplication::postEvent(to,
                                new QMouseEvent(type, at, to->mapToGlobal(at), button, held, Qt::NoModifier));
}

} // namespace

void postMove(QWidget* to, const QPointF& at, bool held) {
    postMouse(to, QEvent::MouseMove, at, Qt::NoButton, held ? Qt::LeftButton : Qt::NoButton);
}
void postPress(QWidget* to, const QPointF& at) {
    postMouse(to, QEvent::MouseButtonPress, at, Qt::LeftButton, Qt::LeftButton);
}
void postRelease(QWidget* to, const QPointF& at) {
    postMouse(to, QEvent::MouseButtonRelease, at, Qt::LeftButton, Qt::NoButton);
}
void postWheel(QWidget* to, const QPointF& at, int delta) {
    QCoreApplication::postEvent(to, new QWheelEvent(at, to->mapToGlobal(at), {}, {0, delta}, Qt::NoButton,
                                                    Qt::NoModifier, Qt::NoScrollPhase, false));
}
void postKey(QWidget* to, int key) {
    const QString text = key < 0x80 ? QString(QChar(key)) : QString();
    QCoreApplication::postEvent(to, new QKeyEvent(QEvent::KeyPress, key, Qt::NoModifier, text));
    QCoreApplication::postEvent(to, new QKeyEvent(QEvent::KeyRelease, key, Qt::NoModifier, text));
}

double sweep(int i, int count) {
    const double t = 2.0 * i / count;
    return t < 1 ? t : 2 - t;
}

} // namespace qs::app
