// SPDX-License-Identifier: Apache-2.0
#include "core/backend/selftest/cases.h"

#include <cmath>
#include <fmt/format.h>

namespace qs::selftest {

namespace {

/// Two windows; the first `rotated` values of each head of d are turned.
Result<double> rope(Backend& be, size_t heads, size_t d, size_t rotated, size_t window) {
    const size_t pairs = rotated / 2;
    const Matrix x = randomMatrix(2 * window, heads * d, 6);
    Matrix cosine(window, pairs), sine(window, pairs);
    const auto angle = [](size_t position, size_t pair) { return 0.3 * double(position * (pair + 1)); };
    for (size_t t = 0; t < window; ++t)
        for (size_t i = 0; i < pairs; ++i) {
            cosine(t, i) = float(std::cos(angle(t, i)));
            sine(t, i) = float(std::sin(angle(t, i)));
        }
    MatrixD expected = toDouble(x);
    for (size_t r = 0; r < x.rows(); ++r)
        for (size_t h = 0; h < heads; ++h)
            for (size_t i = 0; i < pairs; ++i) {
                const double a = x(r, h * d + i), b = x(r, h * d + i + pairs), w = angle(r % window, i);
                expected(r, h * d + i) = a * std::cos(w) - b * std::sin(w);
                expected(r, h * d + i + pairs) = b * std::cos(w) + a * std::sin(w);
            }
    QS_TRY(Tensor y, up(be, x));
    QS_TRY(Tensor c, up(be, cosine));
    QS_TRY(Tensor s, up(be, sine));
    QS_CHECK(be.rope(y, d, {c, s}, window));
    return distance(be, y, expected);
}

struct AttentionCase {
    const char* name;
    size_t d = 8, window = 7, windows = 3;
    double softCap = 0;
    size_t reach = 0;
    bool causal = true, alibi = false;
};

constexpr size_t kHeads = 4, kKvHeads = 2;
constexpr double kScale = 0.4;

/// out(i) += softmax(scores of query i) v, head h.
void attendTo(const AttentionCase& a, size_t i, size_t h, const Matrix& q, const Matrix& k, const Matrix& v,
              const Matrix& bias, MatrixD& out) {
    const size_t first = i / a.window * a.window, kv = h / (kHeads / kKvHeads);
    std::vector<double> p(a.window);
    double sum = 0;
    for (size_t j = first; j < first + a.window; ++j) {
        if ((a.causal && j > i) || (a.reach > 0 && j + a.reach <= i)) continue;
        double s = 0;
        for (size_t c = 0; c < a.d; ++c)
            s += kScale * double(q(i, h * a.d + c)) * double(k(j, kv * a.d + c));
        if (a.softCap > 0) s = a.softCap * std::tanh(s / a.softCap);
        if (a.alibi) s += double(bias(h, j - first));
        sum += p[j - first] = std::exp(s);
    }
    for (size_t j = first; j < first + a.window; ++j)
        for (size_t c = 0; c < a.d; ++c)
            out(i, h * a.d + c) += p[j - first] / sum * double(v(j, kv * a.d + c));
}

Result<double> attention(Backend& be, const AttentionCase& a) {
    const size_t t = a.windows * a.window;
    const Matrix q = randomMatrix(t, kHeads * a.d, 7, 2), k = randomMatrix(t, kKvHeads * a.d, 8, 2),
                 v = randomMatrix(t, kKvHeads * a.d, 9), bias = randomMatrix(kHeads, a.window, 10, 4);
    MatrixD expected(t, kHeads * a.d);
    for (size_t i = 0; i < t; ++i)
        for (size_t h = 0; h < kHeads; ++h)
            attendTo(a, i, h, q, k, v, bias, expected);
    AttentionShape shape{.heads = kHeads,
                         .kvHeads = kKvHeads,
                         .windowLength = a.window,
                         .scale = float(kScale),
                         .softCap = float(a.softCap),
                         .reach = a.reach,
                         .causal = a.causal,
                         .keyBias = {}};
    if (a.alibi) {
        QS_TRY(shape.keyBias, up(be, bias));
    }
    QS_TRY(const Tensor tq, up(be, q));
    QS_TRY(const Tensor tk, up(be, k));
    QS_TRY(const Tensor tv, up(be, v));
    QS_TRY(Tensor out, be.allocate(t, kHeads * a.d));
    QS_CHECK(be.attention(tq, tk, tv, shape, out));
    return distance(be, out, expected);
}

} // namespace

void addAttention(Cases& cases) {
    cases.push_back(
        {"rotary embedding", "x [10, 3 x 12]", 1e-5, [](Backend& be) { return rope(be, 3, 12, 12, 5); }});
    cases.push_back({"rotary embedding", "x [6, 2 x 10], 4 of 10 rotated", 1e-5,
                     [](Backend& be) { return rope(be, 2, 10, 4, 3); }});
    const AttentionCase kinds[] = {
        {"causal"},
        {"capped", 8, 7, 3, 2},
        {"sliding", 8, 7, 3, 0, 3},
        {"sliding beyond the window", 8, 7, 3, 0, 50},
        {"bidirectional", 8, 7, 3, 0, 0, false},
        {"bidirectional, sliding", 8, 7, 3, 0, 3, false},
        {"alibi", 8, 7, 3, 0, 0, true, true},
        {"capped, sliding, alibi", 8, 7, 3, 1.5, 4, true, true},
        {"causal", 64, 200, 2},
        {"sliding, alibi", 40, 150, 1, 0, 70, true, true},
        {"bidirectional", 16, 130, 2, 0, 0, false},
        {"causal", 6, 70, 1},
        {"sliding", 80, 100, 1, 0, 40},
        {"capped, alibi", 128, 150, 1, 3, 0, true, true},
        {"bidirectional, sliding", 128, 70, 1, 0, 20, false},
        {"causal", 160, 70, 1},
    };
    for (const AttentionCase& a : kinds)
        cases.push_back(
            {"attention",
             fmt::format("q [{}, 4 x {}], windows of {}, {}", a.windows * a.window, a.d, a.window, a.name),
             2e-5, [a](Backend& be) { return attention(be, a); }});
}

} // namespace qs::selftest
