// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/BenchReport.h"

#include <QFile>
#include <algorithm>
#include <cmath>
#include <ctime>
#include <unistd.h>

namespace qs::app {

namespace {

std::vector<double> column(const std::vector<Frame>& frames, double Frame::*field) {
    std::vector<double> out;
    for (const Frame& f : frames)
        out.push_back(f.*field);
    return out;
}

double rounded(double ms) {
    return std::round(ms * 100) / 100;
}

QByteArray fixed(double value) {
    return QByteArray::number(value, 'f', 1).rightJustified(7);
}

void addFrames(QJsonObject& json, const std::vector<Frame>& frames, const QString& prefix) {
    const auto wall = column(frames, &Frame::wallMs), cpu = column(frames, &Frame::cpuMs);
    for (const auto& [name, share] :
         {std::pair("p50", 0.5), std::pair("p95", 0.95), std::pair("p99", 0.99)}) {
        json[prefix + QStringLiteral("ms_") + QLatin1String(name)] = rounded(percentile(wall, share));
        json[prefix + QStringLiteral("cpu_ms_") + QLatin1String(name)] = rounded(percentile(cpu, share));
    }
    json[prefix + QStringLiteral("ms_max")] = rounded(percentile(wall, 1));
}

} // namespace

double percentile(std::vector<double> values, double share) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const double rank = std::ceil(share * double(values.size()));
    return values[size_t(std::clamp(rank - 1, 0.0, double(values.size() - 1)))];
}

double residentMib() {
    QFile f(QStringLiteral("/proc/self/statm"));
    if (!f.open(QIODevice::ReadOnly)) return 0;
    return f.readAll().split(' ').value(1).toDouble() * double(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double processAgeMs() {
    QFile f(QStringLiteral("/proc/self/stat"));
    timespec now{};
    if (!f.open(QIODevice::ReadOnly) || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
    const QByteArray text = f.readAll();
    // Field 22; the name in the second may hold blanks.
    const double ticks = text.mid(text.lastIndexOf(')') + 2).split(' ').value(19).toDouble();
    return double(now.tv_sec) * 1e3 + double(now.tv_nsec) / 1e6 -
           1e3 * ticks / double(::sysconf(_SC_CLK_TCK));
}

QJsonObject Scenario::toJson() const {
    QJsonObject json{{QStringLiteral("frames"), int(frames.size())},
                     {QStringLiteral("unpainted"), unpainted},
                     {QStringLiteral("longest_stall_ms"), rounded(longestStallMs)},
                     {QStringLiteral("longest_stall_wall_ms"), rounded(longestStallWallMs)},
                     {QStringLiteral("longest_event_ms"), rounded(longestEventMs)},
                     {QStringLiteral("longest_event"), QString::fromLatin1(longestEvent)}};
    addFrames(json, frames, {});
    return json;
}

QByteArray Scenario::line() const {
    const auto wall = column(frames, &Frame::wallMs), cpu = column(frames, &Frame::cpuMs);
    QByteArray out = name.leftJustified(28) + QByteArray::number(frames.size()).rightJustified(5) + " frames";
    if (!frames.empty())
        out += "  p95" + fixed(percentile(wall, 0.95)) + "  p99" + fixed(percentile(wall, 0.99)) +
               "  cpu p95" + fixed(percentile(cpu, 0.95)) + " ms";
    return out + "  stall" + fixed(longestStallMs) + " (wall" + fixed(longestStallWallMs) + ")  event" +
           fixed(longestEventMs) + " ms " + longestEvent;
}

QJsonObject BenchReport::toJson() const {
    std::vector<Frame> all;
    QJsonObject each, json;
    double stall = 0, stallWall = 0, event = 0, filter = 0, sort = 0, palette = 0, drag = 0;
    for (const Scenario& s : scenarios) {
        all.insert(all.end(), s.frames.begin(), s.frames.end());
        each[QString::fromLatin1(s.name)] = s.toJson();
        stall = std::max(stall, s.longestStallMs);
        stallWall = std::max(stallWall, s.longestStallWallMs);
        event = std::max(event, s.longestEventMs);
        const double slowest = percentile(column(s.frames, &Frame::wallMs), 1);
        if (s.name == "large.filter") filter = slowest;
        if (s.name == "large.sort") sort = slowest;
        if (s.name == "large.palette") palette = slowest;
        if (s.name.startsWith("tune.drag")) drag = std::max(drag, slowest);
    }
    addFrames(json, all, QStringLiteral("frame_"));
    json[QStringLiteral("frames")] = int(all.size());
    json[QStringLiteral("longest_stall_ms")] = rounded(stall);
    json[QStringLiteral("longest_stall_wall_ms")] = rounded(stallWall);
    json[QStringLiteral("longest_event_ms")] = rounded(event);
    json[QStringLiteral("first_window_ms")] = rounded(firstWindowMs);
    json[QStringLiteral("rss_mib")] = rounded(rssMib);
    json[QStringLiteral("rss_large_mib")] = rounded(rssLargeMib);
    json[QStringLiteral("open_large_ms")] = rounded(openLargeMs);
    json[QStringLiteral("filter_ms_max")] = rounded(filter);
    json[QStringLiteral("sort_ms_max")] = rounded(sort);
    json[QStringLiteral("palette_ms_max")] = rounded(palette);
    json[QStringLiteral("drag_ms_max")] = rounded(drag);
    json[QStringLiteral("solve_ms_max")] = rounded(solveMs);
    json[QStringLiteral("tensors")] = tensors;
    json[QStringLiteral("background_runs")] = backgroundRuns;
    json[QStringLiteral("background_blocks")] = backgroundBlocks;
    json[QStringLiteral("scenarios")] = each;
    return json;
}

} // namespace qs::app
