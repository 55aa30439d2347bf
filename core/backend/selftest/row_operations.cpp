// SPDX-License-Identifier: Apache-2.0
#include "core/backend/selftest/cases.h"

#include <cmath>
#include <fmt/format.h>

namespace qs::selftest {

namespace {

constexpr double kPi = 3.14159265358979323846;

/// Row r takes gain r % gains; in place.
Result<double> rmsNorm(Backend& be, size_t rows, size_t n, size_t gains) {
    const Matrix x = randomMatrix(rows, n, 4, 30), g = randomMatrix(gains, n, 5);
    MatrixD expected(rows, n);
    for (size_t r = 0; r < rows; ++r) {
        double s = 0;
        for (size_t c = 0; c < n; ++c)
            s += double(x(r, c)) * double(x(r, c));
        for (size_t c = 0; c < n; ++c)
            expected(r, c) = double(x(r, c)) / std::sqrt(s / double(n) + 1e-5) * double(g(r % gains, c));
    }
    QS_TRY(Tensor y, up(be, x));
    QS_TRY(const Tensor gain, up(be, g));
    QS_CHECK(be.rmsNorm(y, gain, 1e-5, y));
    return distance(be, y, expected);
}

/// Of values whose mean is far from 0.
Result<double> layerNorm(Backend& be, size_t rows, size_t n) {
    Matrix x = randomMatrix(rows, n, 4, 30);
    for (float& v : x.span())
        v += 100;
    const Matrix g = randomMatrix(1, n, 5), bias = randomMatrix(1, n, 6);
    MatrixD expected(rows, n);
    for (size_t r = 0; r < rows; ++r) {
        double mean = 0, variance = 0;
        for (size_t c = 0; c < n; ++c)
            mean += double(x(r, c)) / double(n);
        for (size_t c = 0; c < n; ++c)
            variance += (double(x(r, c)) - mean) * (double(x(r, c)) - mean) / double(n);
        for (size_t c = 0; c < n; ++c)
            expected(r, c) =
                (double(x(r, c)) - mean) / std::sqrt(variance + 1e-5) * double(g(0, c)) + bias(0, c);
    }
    QS_TRY(const Tensor tx, up(be, x));
    QS_TRY(const Tensor gain, up(be, g));
    QS_TRY(const Tensor shift, up(be, bias));
    QS_TRY(Tensor y, be.allocate(rows, n));
    QS_CHECK(be.layerNorm(tx, gain, shift, 1e-5, y));
    return distance(be, y, expected);
}

double exact(Activation f, double x) {
    switch (f) {
    case Activation::Silu:
        return x / (1 + std::exp(-x));
    case Activation::GeluErf:
        return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::GeluTanh:
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    case Activation::QuickGelu:
        return x / (1 + std::exp(-1.702 * x));
    case Activation::Relu:
        break;
    }
    return std::max(x, 0.0);
}

/// Also where exp overflows: the limit is 0.
Result<double> activation(Backend& be, Activation f, bool gated) {
    Matrix g = randomMatrix(5, 37, 10, 12);
    const Matrix u = randomMatrix(5, 37, 11);
    const float ends[] = {-200, 200, -30, 0};
    std::copy(std::begin(ends), std::end(ends), g.data());
    MatrixD expected(5, 37);
    for (size_t i = 0; i < g.size(); ++i)
        expected.data()[i] = exact(f, double(g.data()[i])) * (gated ? double(u.data()[i]) : 1.0);
    QS_TRY(Tensor x, up(be, g));
    QS_TRY(const Tensor by, up(be, u));
    QS_CHECK(gated ? be.activateMultiply(f, x, by) : be.activate(f, x));
    return distance(be, x, expected);
}

Result<double> softCap(Backend& be) {
    const Matrix x = randomMatrix(4, 35, 12, 90);
    MatrixD expected(4, 35);
    for (size_t i = 0; i < x.size(); ++i)
        expected.data()[i] = 30 * std::tanh(double(x.data()[i]) / 30);
    QS_TRY(Tensor y, up(be, x));
    QS_CHECK(be.softCap(y, 30));
    return distance(be, y, expected);
}

const std::vector<uint32_t> kPicked = {5, 0, 3};

Result<double> gatherRows(Backend& be) {
    const Matrix x = randomMatrix(6, 19, 14);
    MatrixD expected(kPicked.size(), 19);
    for (size_t i = 0; i < kPicked.size(); ++i)
        std::copy_n(x.row(kPicked[i]), 19, expected.row(i));
    QS_TRY(const Tensor from, up(be, x));
    QS_TRY(Tensor y, be.allocate(kPicked.size(), 19));
    QS_CHECK(be.gatherRows(from, kPicked, y));
    return distance(be, y, expected);
}

Result<double> addScaledRows(Backend& be) {
    const Matrix x = randomMatrix(6, 19, 14), y = randomMatrix(3, 19, 15);
    const std::vector<float> weights = {0.5f, -2, 1};
    MatrixD expected = toDouble(x);
    for (size_t i = 0; i < kPicked.size(); ++i)
        for (size_t c = 0; c < 19; ++c)
            expected(kPicked[i], c) += double(weights[i]) * double(y(i, c));
    QS_TRY(Tensor sum, up(be, x));
    QS_TRY(const Tensor by, up(be, y));
    QS_CHECK(be.addScaledRows(sum, kPicked, weights, by));
    return distance(be, sum, expected);
}

Result<double> add(Backend& be) {
    const Matrix a = randomMatrix(3, 19, 12), b = randomMatrix(3, 19, 13);
    MatrixD expected = toDouble(a);
    for (size_t i = 0; i < a.size(); ++i)
        expected.data()[i] += double(b.data()[i]);
    QS_TRY(Tensor x, up(be, a));
    QS_TRY(const Tensor y, up(be, b));
    QS_CHECK(be.add(x, y));
    return distance(be, x, expected);
}

} // namespace

void addRowOperations(Cases& cases) {
    for (const size_t n : {1, 63, 64, 257})
        cases.push_back({"rms norm", fmt::format("x [9, {}]", n), 1e-5,
                         [n](Backend& be) { return rmsNorm(be, 9, n, 1); }});
    cases.push_back(
        {"rms norm", "x [12, 8], gain [3, 8]", 1e-5, [](Backend& be) { return rmsNorm(be, 12, 8, 3); }});
    for (const size_t n : {63, 64, 257})
        cases.push_back({"layer norm", fmt::format("x [9, {}]", n), 2e-5,
                         [n](Backend& be) { return layerNorm(be, 9, n); }});
    const std::pair<const char*, Activation> activations[] = {{"silu", Activation::Silu},
                                                              {"gelu (erf)", Activation::GeluErf},
                                                              {"gelu (tanh)", Activation::GeluTanh},
                                                              {"quick gelu", Activation::QuickGelu},
                                                              {"relu", Activation::Relu}};
    for (const auto& [name, f] : activations) {
        cases.push_back({name, "x [5, 37]", 1e-6, [f = f](Backend& be) { return activation(be, f, false); }});
        cases.push_back({std::string(name) + " x up", "x [5, 37]", 1e-6,
                         [f = f](Backend& be) { return activation(be, f, true); }});
    }
    cases.push_back({"soft cap", "x [4, 35]", 1e-6, softCap});
    cases.push_back({"gather rows", "3 of x [6, 19]", 0, gatherRows});
    cases.push_back({"add scaled rows", "3 of x [6, 19]", 1e-6, addScaledRows});
    cases.push_back({"add", "x [3, 19]", 1e-6, add});
}

} // namespace qs::selftest
