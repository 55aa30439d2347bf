// SPDX-License-Identifier: Apache-2.0
#include "app/cli/text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs::cli {

namespace {

/// Columns a UTF-8 text takes on a terminal, for the alphabets that tensor names use: one per code point.
size_t displayWidth(const std::string& text) {
    return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void appendPadded(std::string& line, const std::string& cell, size_t width, bool right) {
    const std::string pad(width - std::min(width, displayWidth(cell)), ' ');
    line += right ? pad + cell : cell + pad;
}

std::string trimmedRight(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

} // namespace

std::string humanBytes(uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    static const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = double(bytes) / 1024;
    size_t unit = 0;
    for (; v >= 1024 && unit + 1 < std::size(units); ++unit)
        v /= 1024;
    return fmt::format("{:.2f} {}", v, units[unit]);
}

std::string humanCount(uint64_t count) {
    if (count < 1000) return fmt::format("{}", count);
    static const char* const units[] = {"k", "M", "B", "T"};
    double v = double(count) / 1000;
    size_t unit = 0;
    for (; v >= 1000 && unit + 1 < std::size(units); ++unit)
        v /= 1000;
    return fmt::format("{:.2f} {}", v, units[unit]);
}

std::string humanSeconds(double seconds) {
    const auto s = static_cast<long long>(std::ceil(std::max(0.0, seconds)));
    if (s < 60) return fmt::format("{} s", s);
    if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
    return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

std::string number(double value) {
    if (std::isnan(value)) return "-";
    return fmt::format("{:.4g}", value);
}

std::string shapeText(const std::vector<uint64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string Table::text() const {
    std::vector<size_t> width;
    for (size_t c = 0; c < columns_.size(); ++c) {
        size_t w = displayWidth(columns_[c].title);
        for (const auto& row : rows_)
            w = std::max(w, displayWidth(row[c]));
        width.push_back(w);
    }
    std::string out;
    const auto addLine = [&](auto cellOf) {
        std::string line;
        for (size_t c = 0; c < columns_.size(); ++c) {
            if (c) line += "  ";
            appendPadded(line, cellOf(c), width[c], columns_[c].right);
        }
        out += trimmedRight(std::move(line)) + "\n";
    };
    addLine([&](size_t c) { return columns_[c].title; });
    addLine([&](size_t c) { return std::string(width[c], '-'); });
    for (const auto& row : rows_)
        addLine([&](size_t c) { return row[c]; });
    return out;
}

std::string Fields::text() const {
    size_t width = 0;
    for (const auto& row : rows_)
        width = std::max(width, displayWidth(row.first));
    std::string out;
    for (const auto& [name, value] : rows_) {
        std::string line;
        appendPadded(line, name, width, false);
        out += trimmedRight(line + "  " + value) + "\n";
    }
    return out;
}

} // namespace qs::cli
