// SPDX-License-Identifier: Apache-2.0
// Channels that are split and merged for rounded inputs (QLLM): by plain loops, and in runs.
#include "core/recipe/stored_bytes.h"
#include "core/run/channel_search.h"
#include "core/run/run.h"
#include "core/run/run_findings.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

Matrix normals(size_t rows, size_t cols, uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<float> normal;
    Matrix m(rows, cols);
    for (float& v : m.span())
        v = normal(rng);
    return m;
}

/// What merging two channels does to the outputs, summed over them one by one.
double costOfMerging(const Matrix& x, const Matrix& w, size_t a, size_t b) {
    double sum = 0;
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t r = 0; r < w.rows(); ++r) {
            const double own = double(x(t, a)) * double(w(r, a)) + double(x(t, b)) * double(w(r, b));
            const double merged =
                (double(x(t, a)) + double(x(t, b))) / 2 * (double(w(r, a)) + double(w(r, b)));
            sum += (own - merged) * (own - merged);
        }
    return sum;
}

/// ||Q(X) Q(W)^T - X W^T||^2 with every row of inputs and weights on 2 * 7 + 1 steps, by plain loops.
double roundedError(const ChannelReassembly& r, const Matrix& x, const Matrix& w) {
    const size_t n = x.cols();
    std::vector<size_t> readers(n);
    for (size_t k = 0; k < n; ++k)
        if (r.first[k] == r.second[k]) ++readers[r.first[k]];
    const auto rounded = [](std::vector<double> row) {
        double largest = 0;
        for (const double v : row)
            largest = std::max(largest, std::fabs(v));
        for (double& v : row)
            v = largest > 0 ? std::nearbyint(v / largest * 7) * largest / 7 : 0;
        return row;
    };
    std::vector<std::vector<double>> inputs, weights;
    for (size_t t = 0; t < x.rows(); ++t) {
        std::vector<double> row;
        for (size_t k = 0; k < n; ++k) {
            const size_t a = r.first[k], b = r.second[k];
            row.push_back(a == b ? double(x(t, a)) / double(readers[a])
                                 : (double(x(t, a)) + double(x(t, b))) / 2);
        }
        inputs.push_back(rounded(std::move(row)));
    }
    for (size_t o = 0; o < w.rows(); ++o) {
        std::vector<double> row;
        for (size_t k = 0; k < n; ++k) {
            const size_t a = r.first[k], b = r.second[k];
            row.push_back(double(w(o, a)) + (a == b ? 0.0 : double(w(o, b))));
        }
        weights.push_back(rounded(std::move(row)));
    }
    double sum = 0;
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t o = 0; o < w.rows(); ++o) {
            double made = 0, exact = 0;
            for (size_t k = 0; k < n; ++k) {
                made += inputs[t][k] * weights[o][k];
                exact += double(x(t, k)) * double(w(o, k));
            }
            sum += (made - exact) * (made - exact);
        }
    return sum;
}

} // namespace

class ChannelSearch : public QObject {
    Q_OBJECT
private slots:
    /// Channel 5 (9 where others reach 3) at 4: three of them. Two pairs go, the cheapest of an even and an
    /// odd channel, then the cheapest of what is left.
    void pairsByPlainLoops() {
        Matrix x = normals(12, 8, 1), w = normals(6, 8, 2);
        for (float& v : x.span())
            v = std::clamp(v, -3.0f, 3.0f);
        for (size_t t = 0; t < x.rows(); ++t)
            x(t, 5) = t % 2 ? 9 : -7;
        const ChannelReassembly made = reassembleAt(4, x.view(), w.view());
        QS_VERIFY_OK(checkReassembly(made, 8));
        std::vector<bool> taken(8);
        taken[5] = true;
        ChannelReassembly expected = ChannelReassembly::identity(8);
        for (int pair = 0; pair < 2; ++pair) {
            size_t even = 0, odd = 0;
            double least = INFINITY;
            for (size_t a = 0; a < 8; a += 2)
                for (size_t b = 1; b < 8; b += 2)
                    if (const double cost = costOfMerging(x, w, a, b);
                        !taken[a] && !taken[b] && cost < least) {
                        least = cost;
                        even = a;
                        odd = b;
                    }
            taken[even] = taken[odd] = true;
            expected.second[even] = uint32_t(odd);
            expected.first[odd] = expected.second[odd] = 5;
        }
        QVERIFY(made == expected);
        QVERIFY(reassembleAt(0.1f, x.view(), w.view()).empty()); // more are added than can be merged
        QVERIFY(reassembleAt(10, x.view(), w.view()) == ChannelReassembly::identity(8));
    }

    /// An outlier among channels of which some are alike: the choice is better than none, by plain loops.
    void outliersAreSplit() {
        const auto format = InputScheme::preset("qllm4");
        QS_VERIFY_OK(format);
        const auto codec = createCodec(
            "int", *Params::fromJson((*findCodec("int"))->params,
                                     {{"bits", 4}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}},
                                     "test"));
        Matrix x = normals(40, 60, 3), w = normals(16, 60, 4);
        for (size_t t = 0; t < x.rows(); ++t) {
            x(t, 11) *= 12;
            for (size_t c = 0; c < 20; c += 2)
                x(t, c + 1 == 11 ? 59 : c + 1) = x(t, c) + 0.01f * x(t, 40 + c / 2);
        }
        const auto found = searchChannels(*format, **codec, x.view(), w.view(), {});
        QS_VERIFY_OK(found);
        QS_VERIFY_OK(checkReassembly(*found, 60));
        const size_t copies = size_t(std::count(found->first.begin(), found->first.end(), 11u));
        const double before = roundedError(ChannelReassembly::identity(60), x, w),
                     after = roundedError(*found, x, w);
        qInfo("%zu copies: %.4g, without %.4g", copies, after, before);
        QVERIFY(copies > 1 && copies <= 7); // 6 of 60 at most are added
        QVERIFY(after < 0.7 * before);
        // Alike everywhere: nothing to be gained.
        for (float& v : x.span())
            v = v > 0 ? 1.0f : -1.0f;
        const auto none = searchChannels(*format, **codec, x.view(), w.view(), {});
        QS_VERIFY_OK(none);
        QVERIFY(*none == ChannelReassembly::identity(60));
    }

    /// Runs find them, size them, quantize the new columns, and round the new channels.
    void runs() {
        SmallModelShape shape;
        shape.hidden = shape.intermediate = 64;
        const auto folder = scratchDir("reassembled-model");
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        const auto model = *openModel(folder);
        const auto backend = makeCpuBackend();
        TokenWindows windows(2, 32);
        for (size_t i = 0; i < windows.size(); ++i)
            windows.data()[i] = int32_t((i * 31 + i / 7) % 50);
        const auto calibration =
            calibrate(*model, windows, {}, scratchDir("reassembled-calibration") / "c.h5", *backend, {});
        QS_VERIFY_OK(calibration);
        for (const char* method : {"rtn", "gptq", "quip"}) {
            const auto scheme =
                Scheme::fromJson({{"codec", "int"},
                                  {"codec_params", {{"bits", 4}, {"group", -1}, {"grid", "absmax"}}},
                                  {"method", method},
                                  {"inputs", InputScheme::preset("qllm4")->toJson()}},
                                 "test");
            QS_VERIFY_OK(scheme);
            const Plan plan = resolvePlan(Recipe::uniform(*scheme), *model);
            QVERIFY(!plan.hasErrors() && plan.needsCalibration());
            RunOptions options;
            options.directory = scratchDir("reassembled-run");
            const auto run = executePlan(*model, plan, calibration->get(), options, *backend, {});
            QS_VERIFY_OK(run);
            const auto found = readFindings(findingsFile(options.directory), model->spec().blocks.size());
            QS_VERIFY_OK(found);
            size_t changed = 0;
            const auto weights = runWeights(*run, model);
            QS_VERIFY_OK(weights);
            for (const PlanEntry& e : plan.entries) {
                const auto q = (*run)->tensor(e.target.module);
                QS_VERIFY_OK(q);
                const ChannelReassembly& r = q->extras.reassembly;
                QVERIFY(r == found->inputs.at(e.target.module).adjust.channels);
                QS_VERIFY_OK(checkReassembly(r, e.target.cols));
                changed += r == ChannelReassembly::identity(e.target.cols) ? 0 : 1;
                Scheme plain = *scheme;
                plain.inputs.reset();
                const auto with = storedBits(**codecOf(*q), **findMethod(method), *scheme, q->rows, q->cols),
                           without = storedBits(**codecOf(*q), **findMethod(method), plain, q->rows, q->cols);
                QCOMPARE(with->total() - without->total(), uint64_t(q->cols * 32));
                QCOMPARE(storedBytes(*with), e.bytesAfter);
                const auto error = (*run)->result(e.target.module)->error;
                QVERIFY2(error.output >= 0 && error.output < 0.2, e.target.module.c_str());
                const auto rounder = (*weights)->inputRounder(e.target.weight);
                QS_VERIFY_OK(rounder);
                Matrix x(2, e.target.cols);
                for (size_t i = 0; i < x.size(); ++i)
                    x.data()[i] = float(std::sin(double(i)));
                QS_VERIFY_OK((*rounder)->round(x.view()));
                for (size_t k = 0; k < e.target.cols; ++k)
                    if (r.first[k] != r.second[k]) QCOMPARE(x(0, r.first[k]), x(0, r.second[k]));
            }
            qInfo("%s: %zu of %zu linears have other channels", method, changed, plan.entries.size());
        }
    }

    void refusals() {
        const auto refused = [](json object, const char* part) {
            const auto made = InputScheme::fromJson(object, "r.json");
            return !made && made.error().describe().find(part) != std::string::npos;
        };
        QVERIFY(refused({{"codec", "float"}, {"reassemble", true}}, "reassemble goes with codec int"));
        QVERIFY(refused({{"codec", "int"}, {"codec_params", {{"group", 32}}}, {"reassemble", true}},
                        "one scale a token"));
    }
};

QS_TEST(ChannelSearch)
#include "tst_channel_search.moc"
