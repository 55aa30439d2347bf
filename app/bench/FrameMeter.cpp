// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/FrameMeter.h"

#include <QEvent>
#include <QMetaEnum>
#include <QThread>
#include <QTimer>
#include <chrono>
#include <ctime>

namespace qs::app {

namespace {

constexpr int kNoPaintMs = 120; ///< an input that changed nothing

double threadCpuMs() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

QByteArray nameOf(const QMetaObject* receiver, QEvent::Type type) {
    const char* name = QMetaEnum::fromType<QEvent::Type>().valueToKey(type);
    return QByteArray(receiver->className()) + ' ' + (name ? QByteArray(name) : QByteArray::number(type));
}

} // namespace

double steadyMs() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

bool FrameMeter::drive(QWidget* driven, const std::function<bool()>& act,
                       std::function<void(const Frame*)> done) {
    m_driven = driven;
    m_done = std::move(done);
    m_painted = false;
    m_startMs = steadyMs();
    m_startCpuMs = threadCpuMs();
    const quint64 input = ++m_input;
    QTimer::singleShot(kNoPaintMs, this, [this, input] {
        if (input == m_input && m_done) finish(false);
    });
    const bool given = act();
    if (!given) { // whatever is painted next has another cause
        m_driven = nullptr;
        m_done = nullptr;
    }
    return given;
}

void FrameMeter::finish(bool painted) {
    const Frame frame{steadyMs() - m_startMs, threadCpuMs() - m_startCpuMs};
    m_driven = nullptr;
    std::exchange(m_done, nullptr)(painted ? &frame : nullptr);
}

void FrameMeter::resetLongest() {
    m_longestMs = 0;
    m_longest.clear();
}

bool FrameMeter::notify(QObject* receiver, QEvent* event) {
    // Workers deliver their events through the same application object.
    if (QThread::currentThread() != thread()) return QApplication::notify(receiver, event);
    // Either may be gone afterwards.
    const QMetaObject* what = receiver->metaObject();
    const QEvent::Type type = event->type();
    if (type == QEvent::Paint && m_done && receiver == m_driven) m_painted = true;
    const double before = m_depth == 0 ? steadyMs() : 0;
    ++m_depth;
    const bool handled = QApplication::notify(receiver, event);
    if (--m_depth > 0) return handled;
    const double took = steadyMs() - before;
    if (took > m_longestMs) {
        m_longestMs = took;
        m_longest = nameOf(what, type);
    }
    if (m_painted && m_done) {
        m_painted = false;
        finish(true);
    }
    return handled;
}

} // namespace qs::app
