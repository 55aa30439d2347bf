// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/BenchScript.h"

#include <QTimer>

namespace qs::app {

namespace {
constexpr int kPollMs = 10;
}

BenchScript::BenchScript(FrameMeter* meter, BenchReport* report, QObject* parent)
    : QObject(parent), m_meter(meter), m_report(report) {}

void BenchScript::start() {
    next();
}

void BenchScript::next() {
    if (m_steps.empty()) {
        closeScenario();
        emit finished(true);
        return;
    }
    const auto step = std::move(m_steps.front());
    m_steps.pop_front();
    QTimer::singleShot(0, this, step);
}

void BenchScript::closeScenario() {
    if (!m_inScenario) return;
    m_inScenario = false;
    m_watch.restart("between");
    Scenario& s = m_report->scenarios.back();
    s.longestStallMs = m_watch.worst();
    s.longestStallWallMs = m_watch.worstWall();
    s.longestEventMs = m_meter->longestEventMs();
    s.longestEvent = m_meter->longestEvent();
    emit progress(s.line());
}

void BenchScript::scenario(const QByteArray& name) {
    m_steps.push_back([this, name] {
        closeScenario();
        m_report->scenarios.push_back({});
        m_report->scenarios.back().name = name;
        m_inScenario = true;
        m_meter->resetLongest();
        m_watch.reset(name.constData());
        next();
    });
}

void BenchScript::rest() {
    m_steps.push_back([this] {
        closeScenario();
        next();
    });
}

void BenchScript::call(std::function<void()> act) {
    m_steps.push_back([this, act = std::move(act)] {
        act();
        next();
    });
}

void BenchScript::waitUntil(const QByteArray& what, std::function<bool()> done, int timeoutMs) {
    m_steps.push_back([this, what, done = std::move(done), timeoutMs] {
        auto* poll = new QTimer(this);
        const double deadline = steadyMs() + timeoutMs;
        connect(poll, &QTimer::timeout, this, [this, poll, what, done, deadline] {
            const bool ready = done();
            if (!ready && steadyMs() < deadline) return;
            poll->stop();
            poll->deleteLater();
            if (ready) {
                next();
                return;
            }
            emit progress("gave up waiting until " + what);
            emit finished(false);
        });
        poll->start(kPollMs);
    });
}

void BenchScript::pause(int ms) {
    m_steps.push_back([this, ms] { QTimer::singleShot(ms, this, &BenchScript::next); });
}

void BenchScript::frames(int count, std::function<QWidget*()> driven, std::function<bool(int)> input) {
    m_steps.push_back([this, count, driven = std::move(driven), input = std::move(input)] {
        frame(0, count, driven(), input);
    });
}

void BenchScript::frame(int i, int count, QWidget* driven, std::function<bool(int)> input) {
    if (i == count) {
        next();
        return;
    }
    const auto onwards = [=, this] {
        QTimer::singleShot(0, this, [=, this] { this->frame(i + 1, count, driven, input); });
    };
    const bool given = m_meter->drive(
        driven, [&] { return input(i); },
        [this, onwards](const Frame* frame) {
            Scenario& s = m_report->scenarios.back();
            if (frame)
                s.frames.push_back(*frame);
            else
                ++s.unpainted;
            onwards();
        });
    if (!given) onwards();
}

} // namespace qs::app
