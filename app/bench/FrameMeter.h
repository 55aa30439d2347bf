// SPDX-License-Identifier: GPL-3.0-or-later
// FrameMeter: an application that looks at the clock around every event. A frame runs from the moment an
// input is posted until the widget that it drives has been painted, whatever the event loop did between.
#pragma once

#include <QApplication>
#include <QByteArray>
#include <QPointer>
#include <QWidget>
#include <functional>

namespace qs::app {

struct Frame {
    double wallMs = 0;
    double cpuMs = 0; ///< processor time of the GUI thread in it
};

class FrameMeter : public QApplication {
public:
    FrameMeter(int& argc, char** argv) : QApplication(argc, argv) {}

    /// Calls `act`, which posts or causes one input, and waits for the next paint of `driven`; `done` gets
    /// the frame, or nullptr when nothing was painted in time. When `act` says that there was nothing to do,
    /// returns false, and `done` is not called.
    bool drive(QWidget* driven, const std::function<bool()>& act, std::function<void(const Frame*)> done);

    /// The longest event since resetLongest(), in milliseconds, and what it was.
    double longestEventMs() const { return m_longestMs; }
    const QByteArray& longestEvent() const { return m_longest; }
    void resetLongest();

    bool notify(QObject* receiver, QEvent* event) override;

private:
    void finish(bool painted);

    QPointer<QWidget> m_driven;
    std::function<void(const Frame*)> m_done;
    double m_startMs = 0, m_startCpuMs = 0, m_longestMs = 0;
    QByteArray m_longest;
    int m_depth = 0;
    quint64 m_input = 0; ///< counts calls of drive()
    bool m_painted = false;
};

/// Milliseconds of a clock that never goes back.
double steadyMs();

} // namespace qs::app
