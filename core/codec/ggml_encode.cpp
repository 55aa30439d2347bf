// SPDX-License-Identifier: Apache-2.0
#include "core/codec/ggml_encode.h"

#include "core/codec/ggml_fast.h"
#include "core/linalg/differences.h"
#include "core/linalg/parallel.h"
#include "core/tensor/convert.h"
#include "core/tensor/ggml_blocks.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kMostBlock = 256, kRowGrain = 8;

// --- Layouts: codes of one block to bytes that are zero ---

void putHalf(std::byte* out, float v) {
    const uint16_t bits = floatToHalf(v);
    std::memcpy(out, &bits, sizeof bits);
}

void orInto(std::byte& b, unsigned bits) {
    b |= std::byte(bits);
}

/// 32 codes: the low 4 bits of element e in the low half of byte e, of e + 16 in its high half.
void nibbles(const uint8_t* codes, std::byte* out) {
    for (size_t i = 0; i < 16; ++i)
        out[i] = std::byte((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

/// Bit 4 of 32 codes.
void fifthBits(const uint8_t* codes, std::byte* out) {
    uint32_t word = 0;
    for (size_t i = 0; i < 32; ++i)
        word |= uint32_t(codes[i] >> 4 & 1) << i;
    std::memcpy(out, &word, sizeof word);
}

/// Eight 6-bit scales and offsets in 12 bytes (Q4_K, Q5_K).
void packScaleMin(const GgmlScales& s, std::byte* out) {
    for (size_t j = 0; j < 8; ++j) {
        const unsigned sc = uint8_t(s.scale[j]), m = s.offset[j];
        if (j < 4) {
            orInto(out[j], sc);
            orInto(out[j + 4], m);
        } else {
            orInto(out[j + 4], (sc & 15) | (m & 15) << 4);
            orInto(out[j - 4], (sc >> 4) << 6);
            orInto(out[j], (m >> 4) << 6);
        }
    }
}

void pack32(const GgmlGrid& grid, const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    if (grid.powerOfTwo) {
        out[0] = std::byte(std::ilogb(s.d) + 128);
        return nibbles(codes, out + 1);
    }
    putHalf(out, s.d);
    out += 2;
    if (grid.offset) {
        putHalf(out, 0.0f - s.dmin); // the file adds what the grid subtracts; 0 without a sign
        out += 2;
    }
    if (grid.bits == 8) {
        for (size_t i = 0; i < 32; ++i)
            out[i] = std::byte(codes[i] ^ 0x80); // two's complement of code - 128
        return;
    }
    if (grid.bits == 5) {
        fifthBits(codes, out);
        out += 4;
    }
    nibbles(codes, out);
}

void packQ2K(const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    for (size_t part = 0; part < 16; ++part) { // 16 values each
        orInto(out[part], unsigned(s.scale[part]) | unsigned(s.offset[part]) << 4);
        const size_t first = 16 + 32 * (part / 8) + 16 * (part % 2), shift = 2 * (part % 8 / 2);
        for (size_t i = 0; i < 16; ++i)
            orInto(out[first + i], unsigned(codes[16 * part + i]) << shift);
    }
    putHalf(out + 80, s.d);
    putHalf(out + 82, s.dmin);
}

void packQ3K(const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    std::byte *mask = out, *qs = out + 32, *scales = out + 96;
    for (size_t part = 0; part < 16; ++part) {
        const unsigned scale = unsigned(int(s.scale[part]) + 32);
        orInto(scales[part % 8], (scale & 15) << (part < 8 ? 0 : 4));
        orInto(scales[8 + part % 4], (scale >> 4) << (2 * (part / 4)));
        const size_t n = part / 8, j = part % 8 / 2, side = 16 * (part % 2);
        for (size_t i = 0; i < 16; ++i) {
            const unsigned code = codes[16 * part + i];
            orInto(qs[32 * n + side + i], (code & 3) << (2 * j));
            orInto(mask[side + i], (code >> 2) << (4 * n + j));
        }
    }
    putHalf(out + 108, s.d);
}

void packQ45K(const GgmlGrid& grid, const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    putHalf(out, s.d);
    putHalf(out + 2, s.dmin);
    packScaleMin(s, out + 4);
    const bool five = grid.bits == 5;
    std::byte *high = out + 16, *qs = out + (five ? 48 : 16);
    for (size_t j = 0; j < 8; ++j)
        for (size_t i = 0; i < 32; ++i) {
            const unsigned code = codes[32 * j + i];
            orInto(qs[32 * (j / 2) + i], (code & 15) << (j % 2 ? 4 : 0));
            if (five) orInto(high[i], (code >> 4) << j);
        }
}

void packQ6K(const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    for (size_t part = 0; part < 16; ++part) {
        const size_t n = part / 8, quarter = part % 8 / 2, side = 16 * (part % 2);
        std::byte* low = out + 64 * n + 32 * (quarter % 2) + side;
        std::byte* high = out + 128 + 32 * n + side;
        for (size_t i = 0; i < 16; ++i) {
            const unsigned code = codes[16 * part + i];
            orInto(low[i], (code & 15) << (quarter < 2 ? 0 : 4));
            orInto(high[i], (code >> 4) << (2 * quarter));
        }
        out[192 + part] = std::byte(s.scale[part]);
    }
    putHalf(out + 208, s.d);
}

void packIq4Xs(const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    putHalf(out, s.d);
    for (size_t j = 0; j < 8; ++j) {
        const unsigned scale = unsigned(int(s.scale[j]) + 32);
        orInto(out[2 + j / 4], (scale >> 4) << (2 * (j % 4)));
        orInto(out[4 + j / 2], (scale & 15) << (4 * (j % 2)));
        nibbles(codes + 32 * j, out + 8 + 16 * j);
    }
}

void packBlock(const GgmlGrid& grid, const GgmlScales& s, const uint8_t* codes, std::byte* out) {
    if (grid.block == 32) return pack32(grid, s, codes, out);
    std::memset(out, 0, grid.ggml().bytes);
    if (grid.table) return packIq4Xs(s, codes, out);
    switch (grid.bits) {
    case 2:
        return packQ2K(s, codes, out);
    case 3:
        return packQ3K(s, codes, out);
    case 6:
        return packQ6K(s, codes, out);
    default:
        return packQ45K(grid, s, codes, out);
    }
}

// --- From a tensor ---

/// The stored form of a block's parameters, which checkParameters() has found in order.
GgmlScales scalesOf(const GgmlGrid& grid, const QuantizedTensor& q, size_t row, size_t block) {
    GgmlScales s;
    if (!grid.superBlocks()) {
        s.d = q.scale(row, block);
        s.dmin = q.zero(row, block);
        s.scale[0] = 1;
        return s;
    }
    s.d = q.superScale(row, block);
    if (grid.offset) s.dmin = q.superZero(row, block);
    for (size_t g = 0; g < grid.groups(); ++g) {
        const size_t at = block * grid.groups() + g;
        s.scale[g] = int8_t(s.d != 0 ? std::nearbyint(q.scale(row, at) / s.d) : 0);
        s.offset[g] = uint8_t(s.dmin != 0 ? std::nearbyint(q.zero(row, at) / s.dmin) : 0);
    }
    return s;
}

// --- Plain rounding ---

void roundBlock(const GgmlGrid& grid, const float* values, std::byte* out) {
    const GgmlScales s = fitGgmlBlock(grid, {values, grid.block}, {}, {});
    std::array<uint8_t, kMostBlock> codes;
    for (size_t g = 0; g < grid.groups(); ++g)
        roundToGrid(grid, values + g * grid.group, grid.group, s.scaleOf(g), s.offsetOf(grid, g),
                    codes.data() + g * grid.group);
    packBlock(grid, s, codes.data(), out);
}

const GgmlGrid* gridOf(const GgmlType& type) {
    for (const GgmlGrid& g : ggmlGrids())
        if (g.type == type.id) return &g;
    return nullptr;
}

void roundRow(const GgmlGrid& grid, std::span<const float> values, std::byte* out) {
    const size_t blocks = values.size() / grid.block, bytes = grid.ggml().bytes;
    if (const GgmlBlockEncoder fast = fastGgmlEncoder(grid)) return fast(values.data(), blocks, out);
    for (size_t b = 0; b < blocks; ++b)
        roundBlock(grid, values.data() + b * grid.block, out + b * bytes);
}

/// `read(row, out)` gives the values of one row.
template<class Read>
Result<void> quantizeRows(const GgmlType& type, size_t rows, size_t cols, const Read& read,
                          std::span<std::byte> out) {
    const GgmlGrid* grid = gridOf(type);
    if (!grid && (!type.plain || !dtypeInfo(*type.plain).floating))
        return Error::unsupported(fmt::format("values cannot be rounded to {}", type.name));
    const size_t block = type.elements;
    if (cols % block != 0)
        return Error::invalid(
            fmt::format("row length {} is not a multiple of {}, the block of {}", cols, block, type.name));
    const size_t rowBytes = cols / block * type.bytes;
    if (rowBytes != 0 ? out.size() % rowBytes != 0 || out.size() / rowBytes != rows : !out.empty())
        return Error::invalid(fmt::format("[{}, {}] as {} takes {} bytes a row, not {} in all", rows, cols,
                                          type.name, rowBytes, out.size()));
    std::atomic<size_t> notFinite{rows}; // the first such row, however the rows are shared out
    linalg::parallelFor(rows, kRowGrain, [&](size_t begin, size_t end) {
        std::vector<float> values(cols);
        for (size_t r = begin; r < end; ++r) {
            read(r, values.data());
            if (countNotFinite(values.data(), values.size()) > 0) {
                for (size_t first = notFinite; r < first && !notFinite.compare_exchange_weak(first, r);) {
                }
                return;
            }
            std::byte* to = out.data() + r * rowBytes;
            if (!grid)
                (void)fromFloat(values, *type.plain, {to, rowBytes});
            else
                roundRow(*grid, values, to);
        }
    });
    if (notFinite < rows)
        return Error::invalid(fmt::format("row {} holds a value that is not finite", notFinite.load()));
    return {};
}

} // namespace

Result<const GgmlType*> ggmlTypeOf(const Params& codecParams) {
    QS_TRY(const auto codec, createCodec("ggml", codecParams));
    return &ggmlGrid(codec->params().choice("type"))->ggml();
}

Result<std::vector<std::byte>> ggmlBlocks(const QuantizedTensor& q, size_t firstRow, size_t rows) {
    if (q.codec != "ggml")
        return Error::unsupported(fmt::format("codec {} has no ggml blocks of its own", q.codec));
    if (!q.groupOfColumn.empty())
        return Error::unsupported("columns that are not grouped in order have no place in ggml blocks");
    if (firstRow > q.rows || rows > q.rows - firstRow)
        return Error::invalid(fmt::format("rows {} and {} more, of {}", firstRow, rows, q.rows));
    QS_TRY(const auto codec, codecOf(q));
    QS_CHECK(codec->checkParameters(q));
    const GgmlGrid& grid = *ggmlGrid(codec->params().choice("type"));
    const size_t blocks = q.cols / grid.block, bytes = grid.ggml().bytes;
    std::vector<std::byte> out(rows * blocks * bytes);
    linalg::parallelFor(rows, kRowGrain, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            for (size_t b = 0; b < blocks; ++b)
                packBlock(grid, scalesOf(grid, q, firstRow + r, b),
                          q.codes.data() + (firstRow + r) * q.cols + b * grid.block,
                          out.data() + (r * blocks + b) * bytes);
    });
    return out;
}

Result<void> quantizeGgml(const GgmlType& type, ConstMatrixView values, std::span<std::byte> out) {
    return quantizeRows(
        type, values.rows, values.cols,
        [&](size_t r, float* to) { std::copy_n(values.row(r), values.cols, to); }, out);
}

Result<void> quantizeGgmlFromHalf(const GgmlType& type, std::span<const std::byte> values, size_t cols,
                                  std::span<std::byte> out) {
    if (cols == 0 || values.size() % (2 * cols) != 0)
        return Error::invalid(fmt::format("{} bytes are not rows of {} float16 values", values.size(), cols));
    return quantizeRows(
        type, values.size() / (2 * cols), cols,
        [&](size_t r, float* to) { halfToFloatBulk(values.data() + r * 2 * cols, to, cols); }, out);
}

} // namespace qs
