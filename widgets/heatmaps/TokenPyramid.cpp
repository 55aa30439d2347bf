// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/TokenPyramid.h"

#include <cmath>

namespace qs::ui {

namespace {

float stronger(float a, float b) {
    if (std::isnan(a)) return b;
    return std::fabs(b) > std::fabs(a) ? b : a;
}

} // namespace

std::shared_ptr<const TokenPyramid> TokenPyramid::make(std::shared_ptr<const Matrix> values) {
    auto p = std::make_shared<TokenPyramid>();
    p->m_values = std::move(values);
    const Matrix* below = p->m_values.get();
    while (below->cols() > 1) {
        Matrix level(below->rows(), (below->cols() + 1) / 2);
        for (size_t t = 0; t < level.rows(); ++t)
            for (size_t c = 0; c < level.cols(); ++c) {
                const float left = (*below)(t, 2 * c);
                level(t, c) = 2 * c + 1 < below->cols() ? stronger(left, (*below)(t, 2 * c + 1)) : left;
            }
        p->m_levels.push_back(std::move(level));
        below = &p->m_levels.back();
    }
    return p;
}

float TokenPyramid::strongest(int token, int first, int end) const {
    float best = NAN;
    const Matrix* level = m_values.get();
    size_t a = size_t(first), b = size_t(end), next = 0;
    while (a < b) {
        if (a % 2) best = stronger(best, (*level)(size_t(token), a++));
        if (b % 2) best = stronger(best, (*level)(size_t(token), --b));
        a /= 2;
        b /= 2;
        if (a < b) level = &m_levels[next++];
    }
    return best;
}

float TokenPyramid::strongest(int firstToken, int endToken, int first, int end) const {
    float best = NAN;
    for (int t = firstToken; t < endToken; ++t)
        best = stronger(best, strongest(t, first, end));
    return best;
}

int TokenPyramid::strongestChannel(int token, int first, int end) const {
    const float wanted = std::fabs(strongest(token, first, end));
    for (int c = first; c < end; ++c)
        if (std::fabs(value(token, c)) == wanted) return c;
    return first;
}

float TokenPyramid::tokenMax(int token) const {
    return std::fabs(strongest(token, 0, channels()));
}

} // namespace qs::ui
