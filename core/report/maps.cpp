// SPDX-License-Identifier: Apache-2.0
#include "core/report/maps.h"

#include "core/report/html.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <functional>

namespace qs::report {

namespace {

constexpr int kCell = 34, kRow = 22, kTop = 24, kCharacter = 7;

struct Rgb {
    double r, g, b;
};

// ColorBrewer YlGnBu and PuOr (C. Brewer, colorbrewer2.org), a few stops of each.
constexpr std::array<Rgb, 5> kSequential = {
    {{255, 255, 217}, {199, 233, 180}, {65, 182, 196}, {34, 94, 168}, {8, 29, 88}}};
constexpr std::array<Rgb, 5> kDiverging = {
    {{179, 88, 6}, {253, 184, 99}, {233, 236, 240}, {178, 171, 210}, {84, 39, 136}}};

Rgb at(const std::array<Rgb, 5>& stops, double position) {
    const double x = std::clamp(position, 0.0, 1.0) * 4;
    const auto i = std::min<size_t>(3, size_t(x));
    const double t = x - double(i);
    const auto mix = [t](double a, double b) { return a + t * (b - a); };
    return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g),
            mix(stops[i].b, stops[i + 1].b)};
}

double linear(double channel) {
    const double c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

const char* inkOn(const Rgb& c) {
    const double luminance = 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
    return luminance > 0.18 ? "#000" : "#fff";
}

struct Cell {
    Rgb fill{};
    std::string text;
    bool measured = true;
};

std::string textAt(double x, double y, const char* anchor, const char* fill, const std::string& text) {
    return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\" fill=\"{}\">{}</text>", x, y, anchor, fill,
                       escape(text));
}

std::string svg(const BitsGrid& grid, const std::string& title,
                const std::function<Cell(size_t role, size_t block)>& cell) {
    size_t longest = 0;
    for (const std::string& role : grid.roles)
        longest = std::max(longest, std::min<size_t>(role.size(), 24));
    const int left = int(longest) * kCharacter + 14;
    const int width = left + int(grid.blocks) * kCell + 4, height = kTop + int(grid.roles.size()) * kRow + 4;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "role=\"img\" font-family=\"sans-serif\" font-size=\"11\"><title>{2}</title>\n",
        width, height, escape(title));
    for (size_t b = 0; b < grid.blocks; ++b)
        out += textAt(left + (double(b) + 0.5) * kCell, 15, "middle", "#464f5a", std::to_string(b));
    for (size_t r = 0; r < grid.roles.size(); ++r) {
        const int top = kTop + int(r) * kRow;
        const std::string& role = grid.roles[r];
        out += textAt(left - 8, top + 15, "end", "#1b1f24",
                      role.size() > 24 ? role.substr(0, 23) + "\xE2\x80\xA6" : role);
        for (size_t b = 0; b < grid.blocks; ++b) {
            const Cell c = cell(r, b);
            const int x = left + int(b) * kCell;
            const std::string fill = c.measured
                                         ? fmt::format("#{:02x}{:02x}{:02x}", int(std::lround(c.fill.r)),
                                                       int(std::lround(c.fill.g)), int(std::lround(c.fill.b)))
                                         : std::string("none");
            out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>", x, top,
                               kCell - 1, kRow - 1, fill);
            if (c.measured && !c.text.empty())
                out += textAt(x + kCell / 2.0, top + 15, "middle", inkOn(c.fill), c.text);
        }
        out += "\n";
    }
    return out + "</svg>\n";
}

} // namespace

std::string signedBits(double difference) {
    if (!(std::abs(difference) >= 0.005)) return {};
    std::string digits = fmt::format("{:.2f}", std::abs(difference));
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
    return (difference < 0 ? "\xE2\x88\x92" : "+") + digits;
}

std::string bitsMapSvg(const BitsGrid& grid, const std::string& title) {
    return svg(grid, title, [&](size_t r, size_t b) {
        const double bits = grid.at(r, b);
        if (std::isnan(bits)) return Cell{{}, "", false};
        // A fixed scale, 1 to 16 bits, so that maps compare.
        return Cell{at(kSequential, std::log2(std::clamp(bits, 1.0, 16.0)) / 4), fmt::format("{:.3g}", bits),
                    true};
    });
}

std::string bitsDifferenceSvg(const BitsGrid& grid, const BitsGrid& other, const std::string& title) {
    if (grid.roles != other.roles || grid.blocks != other.blocks) return {};
    double reach = 4; // one bit is a pale difference
    for (size_t i = 0; i < grid.bits.size(); ++i)
        if (const double d = std::abs(grid.bits[i] - other.bits[i]); d > reach) reach = d;
    return svg(grid, title, [&](size_t r, size_t b) {
        const double d = grid.at(r, b) - other.at(r, b);
        if (std::isnan(d)) return Cell{{}, "", false};
        return Cell{at(kDiverging, 0.5 + d / reach / 2), signedBits(d), true};
    });
}

} // namespace qs::report
