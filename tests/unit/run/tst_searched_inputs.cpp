// SPDX-License-Identifier: Apache-2.0
// What is searched for rounded inputs on calibration text: ranges together with those of the weights, and
// whole log grids, against plain loops.
#include "core/export/ct_layout.h"
#include "core/run/joint_range.h"
#include "core/run/log_search.h"
#include "core/run/run.h"
#include "core/run/run_findings.h"
#include "tests/support/small_model.h"
#include "tests/unit/architecture/golden_case.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

using Magnitudes = std::vector<double>;
/// Bits of E and M after a sign; the magnitudes of the OCP formats, and of one without mantissa.
const std::vector<std::pair<std::string, Magnitudes>> kFourBits = {
    {"e2m1", {0, 0.5, 1, 1.5, 2, 3, 4, 6}},
    {"e3m0", {0, 0.25, 0.5, 1, 2, 4, 8, 16}},
    {"e1m2", {0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75}}};

double nearest(double x, double scale, const Magnitudes& levels) {
    double best = 0;
    for (const double level : levels)
        for (const double v : {scale * level, -scale * level})
            if (std::fabs(v - x) < std::fabs(best - x)) best = v;
    return best;
}

using Rows = std::vector<std::vector<double>>;

/// Every row on levels whose largest is `share` of its own largest magnitude.
Rows rounded(const Rows& x, const std::vector<double>& shares, const Magnitudes& levels) {
    Rows out = x;
    for (size_t r = 0; r < x.size(); ++r) {
        double top = 0;
        for (const double v : x[r])
            top = std::max(top, std::fabs(v));
        for (double& v : out[r])
            v = nearest(v, double(float(shares[r] * top / levels.back())), levels);
    }
    return out;
}

/// Squared errors of x w^T, of each row of w.
std::vector<double> outputErrors(const Rows& x, const Rows& w, const Rows& exactX, const Rows& exactW) {
    std::vector<double> out(w.size());
    for (size_t r = 0; r < w.size(); ++r)
        for (size_t t = 0; t < x.size(); ++t) {
            double e = 0;
            for (size_t c = 0; c < x[t].size(); ++c)
                e += x[t][c] * w[r][c] - exactX[t][c] * exactW[r][c];
            out[r] += e * e;
        }
    return out;
}

double total(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values)
        sum += v;
    return sum;
}

std::vector<double> shares() {
    std::vector<double> out = {1};
    for (int i = 1; i <= 100; ++i)
        out.push_back(double(float(0.01 + 1.19 * i / 100)));
    return out;
}

struct Plain {
    double error = INFINITY, range = 0;
    std::string inputs, weights;
};

/// The search by its definition.
Plain plainSearch(const Rows& x, const Rows& w) {
    Plain best;
    for (const auto& [weightName, weightLevels] : kFourBits)
        for (const auto& [inputName, inputLevels] : kFourBits) {
            std::vector<double> rows(w.size(), 1), range(x.size(), 1);
            double error = 0;
            for (int round = 0; round < 3; ++round) {
                const Rows tokens = rounded(x, range, inputLevels);
                std::vector<double> least(w.size(), INFINITY);
                for (const double s : shares()) {
                    const auto e = outputErrors(
                        tokens, rounded(w, std::vector<double>(w.size(), s), weightLevels), x, w);
                    for (size_t r = 0; r < w.size(); ++r)
                        if (e[r] < least[r]) {
                            least[r] = e[r];
                            rows[r] = s;
                        }
                }
                const Rows weights = rounded(w, rows, weightLevels);
                error = INFINITY;
                double chosen = 1;
                for (const double s : shares()) {
                    const double e = total(outputErrors(
                        rounded(x, std::vector<double>(x.size(), s), inputLevels), weights, x, w));
                    if (!(e < error)) continue;
                    error = e;
                    chosen = s;
                }
                range.assign(x.size(), chosen);
            }
            if (error < best.error) best = {error, range.front(), inputName, weightName};
        }
    return best;
}

/// Fixed numbers, some columns large.
Rows numbers(size_t rows, size_t cols, int seed) {
    Rows out(rows, std::vector<double>(cols));
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < cols; ++c) {
            const double s = std::sin(double((r * 37 + c * 11 + size_t(seed) * 101) % 997) * 1.37);
            out[r][c] = double(float(s * s * s * (c % 5 == 2 ? 3 : 1)));
        }
    return out;
}

Matrix matrixOf(const Rows& x) {
    Matrix m(x.size(), x.front().size());
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c)
            m(r, c) = float(x[r][c]);
    return m;
}

double errorOf(const InputScheme& format, const RowChoice& choice, const Matrix& x) {
    const auto d = findCodec("log");
    json params = format.codecParams.toJson();
    params["base"] = *choice.base;
    if (choice.noSign) params["sign"] = "none";
    const auto codec = createCodec("log", *Params::fromJson((*d)->params, params, "test"));
    Matrix out = x.clone();
    if (!RowRounder(*codec, {}, 0, std::nullopt, choice.adjust).round(out.view())) qFatal("round");
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i)
        sum += std::pow(double(out.data()[i]) - double(x.data()[i]), 2);
    return sum;
}

} // namespace

class SearchedInputs : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend = makeCpuBackend();

private slots:
    /// Unsigned powers of two below the largest: [-0.25, 0.75, 1.75] shifted by a quarter are [0, 1, 2]. With
    /// half the range the largest value is 1.
    void adjustedByHand() {
        const auto codec = createCodec(
            "log", *Params::fromJson(
                       (*findCodec("log"))->params,
                       {{"bits", 3}, {"sign", "none"}, {"base", 74}, {"group", -1}, {"scale_dtype", "f32"}},
                       "test"));
        QS_VERIFY_OK(codec);
        Matrix x(1, 4);
        const float values[] = {-0.25f, 0.75f, 1.75f, 0.2f}; // 0.45 lies between 0.25 and 0.5
        std::copy_n(values, 4, x.data());
        Matrix half = x.clone();
        QS_VERIFY_OK(RowRounder(*codec, {}, 0, std::nullopt, {1, 0.25f}).round(x.view()));
        const float whole[] = {-0.25f, 0.75f, 1.75f, 0.25f}, cut[] = {-0.25f, 0.75f, 0.75f, 0.25f};
        QS_VERIFY_OK(RowRounder(*codec, {}, 0, std::nullopt, {0.5f, 0.25f}).round(half.view()));
        for (size_t c = 0; c < 4; ++c) {
            QVERIFY(std::fabs(x(0, c) - whole[c]) <= 1e-6f);
            QVERIFY(std::fabs(half(0, c) - cut[c]) <= 1e-6f);
        }
    }

    void jointRangesByPlainLoops_data() {
        QTest::addColumn<int>("seed");
        for (const int seed : {1, 2, 3})
            QTest::addRow("%d", seed) << seed;
    }
    void jointRangesByPlainLoops() {
        QFETCH(int, seed);
        const Rows x = numbers(9, 10, seed), w = numbers(4, 10, seed + 50);
        const auto format = InputScheme::preset("llm_fp4");
        QS_VERIFY_OK(format);
        const auto codec = createCodec("float", format->codecParams); // rows of weights have scales too
        const auto found = searchJointRange(*format, **codec, matrixOf(x).view(), matrixOf(w).view(), {});
        QS_VERIFY_OK(found);
        const Plain expected = plainSearch(x, w);
        qInfo("%s %s %.4f: %.6g, plainly %.6g", found->inputs.format.c_str(),
              found->weights->params().choice("format").c_str(), double(found->inputs.adjust.range),
              found->error, expected.error);
        QCOMPARE(found->inputs.format, expected.inputs);
        QCOMPARE(found->weights->params().choice("format"), expected.weights);
        QCOMPARE(double(found->inputs.adjust.range), expected.range);
        QVERIFY(std::fabs(found->error / expected.error - 1) <= 1e-3);
        // Better than each with its whole range.
        const std::vector<double> ones(x.size(), 1);
        QVERIFY(found->error < total(outputErrors(rounded(x, ones, kFourBits[0].second),
                                                  rounded(w, ones, kFourBits[0].second), x, w)));
    }

    /// Outputs of a GELU on a grid without a sign, whose smallest is its 0: found exactly.
    void shiftedGridIsFound() {
        const auto format = InputScheme::preset("adalog4_shift");
        QS_VERIFY_OK(format);
        Matrix x(4, 16);
        for (size_t t = 0; t < x.rows(); ++t)
            for (size_t c = 0; c < 16; ++c)
                x(t, c) = float((c == 15 ? 0 : 2.5 * std::exp2(-double(c) * 16 / 74)) - 0.17);
        const auto found = searchLogGrid(*format, x.view(), {}, {});
        QS_VERIFY_OK(found);
        QCOMPARE(*found->base, 16);
        QVERIFY(found->noSign);
        QCOMPARE(found->adjust.range, 1.0f);
        QVERIFY(std::fabs(found->adjust.shift - 0.17f) <= 1e-6f);
    }
    /// With a sign where values have one: 7 magnitudes of base 2^(24 / 74) on either side.
    void signedGridIsFound() {
        const auto format = InputScheme::preset("adalog4_shift");
        Matrix x(3, 15);
        for (size_t t = 0; t < x.rows(); ++t)
            for (size_t c = 0; c < 15; ++c)
                x(t, c) = c == 14 ? 0 : float((c % 2 ? 1 : -1) * 0.8 * std::exp2(-double(c / 2) * 24 / 74));
        const auto found = searchLogGrid(*format, x.view(), {}, {});
        QS_VERIFY_OK(found);
        QCOMPARE(*found->base, 24);
        QVERIFY(!found->noSign && found->adjust == RowAdjustment());
    }
    /// No worse than any triple of the coarse grid, and than the base alone.
    void noCoarseTripleIsBetter() {
        const auto format = InputScheme::preset("adalog4_shift");
        Matrix x(8, 40);
        for (size_t i = 0; i < x.size(); ++i) {
            const double u = 2 * std::sin(double(i) * 0.71) + std::sin(double(i) * 1.93);
            x.data()[i] = float(u * 0.5 * (1 + std::erf(u / std::sqrt(2.0))));
        }
        float deepest = 0;
        for (const float v : x.span())
            deepest = std::max(deepest, -v);
        const auto found = searchLogGrid(*format, x.view(), {}, {});
        QS_VERIFY_OK(found);
        const double own = errorOf(*format, *found, x);
        double coarse = INFINITY, baseAlone = INFINITY;
        for (int base = 8; base <= 148; base += 8) {
            for (int range = 1; range <= 6; ++range)
                for (int share = -1; share <= 4; ++share) {
                    RowChoice c{.base = base};
                    c.noSign = share >= 0;
                    c.adjust = {0.2f * float(range), share > 0 ? deepest * float(share) / 4 : 0};
                    coarse = std::min(coarse, errorOf(*format, c, x));
                }
            baseAlone = std::min(baseAlone, errorOf(*format, RowChoice{.base = base}, x));
        }
        qInfo("searched %.4g, coarse %.4g, base alone %.4g", own, coarse, baseAlone);
        QVERIFY(own <= coarse && own < baseAlone);
    }

    /// Runs keep what was found, behind transforms too, and read it again.
    void searchedInputsInRuns() {
        SmallModelShape shape;
        shape.hidden = shape.intermediate = 64;
        const auto folder = scratchDir("searched-model");
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        const auto model = *openModel(folder);
        TokenWindows windows(2, 32);
        for (size_t i = 0; i < windows.size(); ++i)
            windows.data()[i] = int32_t((i * 31 + i / 7) % 50);
        const auto calibration =
            calibrate(*model, windows, {}, scratchDir("searched-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(calibration);
        for (const char* preset : {"llm_fp4", "adalog4_shift"}) {
            const json scheme = {{"codec", "float"},
                                 {"codec_params", {{"format", "e2m1"}, {"group", -1}}},
                                 {"method", "fpq"},
                                 {"inputs", InputScheme::preset(preset)->toJson()}};
            const auto recipe =
                Recipe::fromJson({{"version", 1},
                                  {"transforms", {{{"id", "llm_fp4"}}}},
                                  {"rules", {{{"match", "*.down_proj"}, {"scheme", scheme}}}}},
                                 "test");
            QS_VERIFY_OK(recipe);
            QCOMPARE(QString::fromStdString(recipe->rules[0].scheme->inputs->label()), QString(preset));
            const Plan plan = resolvePlan(*recipe, *model);
            QVERIFY(!plan.hasErrors() && plan.needsCalibration());
            RunOptions options;
            options.directory = scratchDir("searched-run");
            const auto run = executePlan(*model, plan, calibration->get(), options, *m_backend, {});
            QS_VERIFY_OK(run);
            const auto found = readFindings(findingsFile(options.directory), model->spec().blocks.size());
            QS_VERIFY_OK(found);
            QCOMPARE(found->inputs.size(), size_t(2));
            const auto weights = runWeights(*run, model);
            QS_VERIFY_OK(weights);
            for (const QuantTarget& t : model->targets()) {
                if (t.role != "down") continue;
                const RowChoice& c = found->inputs.at(t.module);
                QVERIFY(std::string(preset) == "llm_fp4" ? !c.format.empty() && !c.base
                                                         : c.format.empty() && c.base.has_value());
                const auto rounder = (*weights)->inputRounder(t.weight);
                QS_VERIFY_OK(rounder);
                const auto expected = inputRounder(*recipe->rules[0].scheme, &c);
                QS_VERIFY_OK(expected);
                QVERIFY((*rounder)->sameAs(**expected));
            }
        }
    }

    /// A runtime finds ranges by itself: no layout holds searched ones.
    void noLayoutHoldsThem() {
        const auto codec = createCodec("float", InputScheme::preset("fp8")->codecParams);
        QS_VERIFY_OK(codec);
        InputScheme inputs = *InputScheme::preset("fp8");
        QVERIFY(ctLayoutFor(**codec, &inputs));
        inputs.searchRange = true;
        QVERIFY(!ctLayoutFor(**codec, &inputs));
    }

    void refusals() {
        const auto refused = [](json object, const char* part) {
            const auto made = InputScheme::fromJson(object, "r.json");
            return !made && made.error().describe().find(part) != std::string::npos;
        };
        QVERIFY(refused({{"codec", "int"}, {"search_range", true}}, "search_range goes with codec float"));
        QVERIFY(refused({{"codec", "log"}, {"search_shift", true}}, "search_shift goes with search_base"));
        QVERIFY(refused({{"codec", "float"}, {"search_range", true}, {"keep_above", 6}}, "keep_above"));
    }
};

QS_TEST(SearchedInputs)
#include "tst_searched_inputs.moc"
