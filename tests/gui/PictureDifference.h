// SPDX-License-Identifier: GPL-3.0-or-later
// How far two pictures are apart, for goldens that survive another version of a font or of Qt: means over
// blocks of pixels are compared, so that a glyph may differ by a pixel while a mark that moved or changed its
// colour may not.
#pragma once

#include <QColor>
#include <QImage>
#include <cmath>

namespace qs::test {

struct PictureDifference {
    double mean = INFINITY;  ///< over blocks, of 255
    double worst = INFINITY; ///< of one block, of 255
    bool similar() const { return mean <= 1.0 && worst <= 28; }
};

/// Mean absolute difference of the blocks' mean colours; infinite when the sizes differ.
inline PictureDifference pictureDifference(const QImage& a, const QImage& b) {
    constexpr int kBlock = 8; // px
    if (a.isNull() || a.size() != b.size()) return {};
    PictureDifference out{0, 0};
    int blocks = 0;
    for (int top = 0; top < a.height(); top += kBlock)
        for (int left = 0; left < a.width(); left += kBlock, ++blocks) {
            double sums[3] = {};
            int pixels = 0;
            for (int y = top; y < std::min(top + kBlock, a.height()); ++y)
                for (int x = left; x < std::min(left + kBlock, a.width()); ++x, ++pixels) {
                    const QRgb p = a.pixel(x, y), q = b.pixel(x, y);
                    sums[0] += qRed(p) - qRed(q);
                    sums[1] += qGreen(p) - qGreen(q);
                    sums[2] += qBlue(p) - qBlue(q);
                }
            // The largest channel: a changed hue may leave the brightness as it is.
            const double d = std::max({std::fabs(sums[0]), std::fabs(sums[1]), std::fabs(sums[2])}) / pixels;
            out.mean += d;
            out.worst = std::max(out.worst, d);
        }
    out.mean /= blocks;
    return out;
}

} // namespace qs::test
