// SPDX-License-Identifier: GPL-3.0-or-later
// BenchScript: steps that run one after the other from the event loop, and the measuring around them.
#pragma once

#include "app/bench/BenchReport.h"
#include "app/bench/StallWatch.h"

#include <QObject>
#include <deque>
#include <functional>

namespace qs::app {

class BenchScript : public QObject {
    Q_OBJECT
public:
    BenchScript(FrameMeter* meter, BenchReport* report, QObject* parent = nullptr);

    /// From here on what happens belongs to a scenario of this name.
    void scenario(const QByteArray& name);
    /// What follows belongs to none.
    void rest();
    void call(std::function<void()> act);
    /// Goes on when `done` says yes; gives up, and fails the script, after `timeoutMs`.
    void waitUntil(const QByteArray& what, std::function<bool()> done, int timeoutMs = 600000);
    /// Lets the event loop turn.
    void pause(int ms);
    /// `count` inputs, one after the frame of the other. `driven` is asked when the step begins.
    void frames(int count, std::function<QWidget*()> driven, std::function<bool(int i)> input);

    void start();

signals:
    void progress(const QByteArray& line);
    void finished(bool complete);

private:
    void next();
    void closeScenario();
    void frame(int i, int count, QWidget* driven, std::function<bool(int)> input);

    FrameMeter* m_meter;
    BenchReport* m_report;
    StallWatch m_watch;
    std::deque<std::function<void()>> m_steps;
    bool m_inScenario = false;
};

} // namespace qs::app
