// SPDX-License-Identifier: Apache-2.0
#include "core/codec/ggml_grid.h"

#include "core/linalg/grid_kernels.h"
#include "core/tensor/ggml_blocks.h"
#include "core/tensor/ggml_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qs {

namespace {

using ggml::kFp4Doubled;
using ggml::kIq4;

constexpr GgmlGrid kGrids[] = {
    {.id = "q4_0", .type = 2, .bits = 4, .levels = 16, .centre = 8, .extreme = -8},
    {.id = "q4_1", .type = 3, .bits = 4, .levels = 16, .offset = true, .anyOffset = true},
    {.id = "q5_0", .type = 6, .bits = 5, .levels = 32, .centre = 16, .extreme = -16},
    {.id = "q5_1", .type = 7, .bits = 5, .levels = 32, .offset = true, .anyOffset = true},
    {.id = "q8_0", .type = 8, .bits = 8, .levels = 256, .centre = 128, .extreme = 127},
    {.id = "iq4_nl", .type = 20, .bits = 4, .levels = 16, .table = &kIq4, .extreme = -127},
    {.id = "mxfp4",
     .type = 39,
     .bits = 4,
     .levels = 16,
     .table = &kFp4Doubled,
     .extreme = 12,
     .powerOfTwo = true},
    {.id = "q2_k",
     .type = 10,
     .bits = 2,
     .levels = 4,
     .group = 16,
     .block = 256,
     .offset = true,
     .scaleHigh = 15,
     .offsetHigh = 15},
    {.id = "q3_k",
     .type = 11,
     .bits = 3,
     .levels = 8,
     .group = 16,
     .block = 256,
     .centre = 4,
     .extreme = -4,
     .scaleLow = -32,
     .scaleHigh = 31},
    {.id = "q4_k",
     .type = 12,
     .bits = 4,
     .levels = 16,
     .block = 256,
     .offset = true,
     .scaleHigh = 63,
     .offsetHigh = 63},
    {.id = "q5_k",
     .type = 13,
     .bits = 5,
     .levels = 32,
     .block = 256,
     .offset = true,
     .scaleHigh = 63,
     .offsetHigh = 63},
    {.id = "q6_k",
     .type = 14,
     .bits = 6,
     .levels = 64,
     .group = 16,
     .block = 256,
     .centre = 32,
     .extreme = -32,
     .scaleLow = -128,
     .scaleHigh = 127},
    {.id = "iq4_xs",
     .type = 23,
     .bits = 4,
     .levels = 16,
     .block = 256,
     .table = &kIq4,
     .extreme = -127,
     .scaleLow = -32,
     .scaleHigh = 31},
};

/// The codes of a table by rising value, and the middles between them, the last ones infinite.
struct Sorted {
    std::array<uint8_t, 16> code{};
    std::array<float, 15> middle{};
    size_t count = 0;

    explicit Sorted(const std::array<int8_t, 16>& table) {
        for (uint8_t c = 0; c < 16; ++c) {
            const auto same = [&](uint8_t k) { return table[k] == table[c]; };
            if (std::none_of(code.begin(), code.begin() + count, same)) code[count++] = c;
        }
        std::sort(code.begin(), code.begin() + count,
                  [&](uint8_t a, uint8_t b) { return table[a] < table[b]; });
        middle.fill(std::numeric_limits<float>::infinity());
        for (size_t i = 0; i + 1 < count; ++i)
            middle[i] = 0.5f * (float(table[code[i]]) + float(table[code[i + 1]]));
    }
    /// Nearest codes of (values + offset) * inverse. The rank of a value is how many middles it exceeds:
    /// counting all of them takes no branch, and the compiler does it for several values at once.
    void nearest(const float* values, size_t n, float offset, float inverse, uint8_t* codes) const {
        constexpr size_t kAtOnce = 16;
        for (size_t first = 0; first < n; first += kAtOnce) {
            const size_t some = std::min(kAtOnce, n - first);
            float v[kAtOnce] = {};
            int32_t rank[kAtOnce] = {};
            for (size_t i = 0; i < some; ++i)
                v[i] = (values[first + i] + offset) * inverse;
            for (const float m : middle)
                for (size_t i = 0; i < kAtOnce; ++i)
                    rank[i] += v[i] > m ? 1 : 0;
            for (size_t i = 0; i < some; ++i)
                codes[first + i] = code[size_t(rank[i])];
        }
    }
    uint8_t nearest(float v) const {
        size_t at = 0;
        while (at + 1 < count && v > middle[at])
            ++at;
        return code[at];
    }
};

const Sorted& sortedOf(const std::array<int8_t, 16>& table) {
    static const Sorted iq4(kIq4), fp4(kFp4Doubled);
    return &table == &kIq4 ? iq4 : fp4;
}

} // namespace

uint8_t GgmlGrid::nearest(float v) const {
    if (table) return sortedOf(*table).nearest(v);
    return uint8_t(std::clamp(std::nearbyint(v) + float(centre), 0.0f, float(levels - 1)));
}

const GgmlType& GgmlGrid::ggml() const {
    return *ggmlType(type);
}

std::string_view GgmlGrid::name() const {
    return ggml().name;
}

std::span<const GgmlGrid> ggmlGrids() {
    return kGrids;
}

const GgmlGrid* ggmlGrid(std::string_view id) {
    for (const GgmlGrid& g : kGrids)
        if (g.id == id) return &g;
    return nullptr;
}

bool isHalf(float value) {
    return std::isfinite(value) && halfToFloat(floatToHalf(value)) == value;
}

void roundToGrid(const GgmlGrid& grid, const float* values, size_t n, float scale, float offset,
                 uint8_t* codes) {
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    if (!std::isfinite(inverse)) { // a subnormal scale
        for (size_t i = 0; i < n; ++i)
            codes[i] = grid.nearest((values[i] + offset) / scale);
        return;
    }
    if (grid.table) {
        sortedOf(*grid.table).nearest(values, n, offset, inverse, codes);
        return;
    }
    roundUniform(values, n, offset, inverse, float(grid.centre), float(grid.levels - 1), codes);
}

} // namespace qs
