// SPDX-License-Identifier: Apache-2.0
// One range for all tokens (static scales), chosen on calibration text.
#include "core/export/ct_layout.h"
#include "core/export/export_source.h"
#include "core/run/run.h"
#include "core/run/run_findings.h"
#include "core/run/static_range.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

InputScheme inputs(const char* preset) {
    return *InputScheme::preset(preset);
}

/// Normal values with one of 40 in a place of its own.
Matrix outlierRows() {
    std::mt19937_64 rng(3);
    std::normal_distribution<float> normal;
    Matrix x(100, 200);
    for (float& v : x.span())
        v = normal(rng);
    x(17, 60) = -40;
    return x;
}

/// Squared error of x on -128 .. 127 steps of `scale`.
double errorAt(const Matrix& x, double scale) {
    double sum = 0;
    for (const float v : x.span()) {
        const double r = std::clamp(std::nearbyint(double(v) / scale), -128.0, 127.0) * scale;
        sum += (r - double(v)) * (r - double(v));
    }
    return sum;
}

} // namespace

class StaticRanges : public QObject {
    Q_OBJECT
private slots:
    void wholeRange() {
        const Matrix x = outlierRows();
        const auto r = searchStaticRange(inputs("int8_minmax"), x.view(), {-50, 30}, {}); // of all tokens
        QS_VERIFY_OK(r);
        QCOMPARE(r->scale, 50.0f / 127);
        const auto f = searchStaticRange(inputs("fp8_minmax"), x.view(), {-50, 30}, {});
        QS_VERIFY_OK(f);
        QVERIFY(std::fabs(f->scale * 448 / 50 - 1) <= 1e-3f); // scales of floats are float16 by default
    }
    /// 20,000 values, 2 of them beyond the rank: the outlier and one more.
    void percentile() {
        const Matrix x = outlierRows();
        const auto r = searchStaticRange(inputs("int8_percentile"), x.view(), {-40, 5}, {});
        QS_VERIFY_OK(r);
        std::vector<float> magnitudes;
        for (const float v : x.span())
            magnitudes.push_back(std::fabs(v));
        std::sort(magnitudes.begin(), magnitudes.end());
        QCOMPARE(r->scale, magnitudes[size_t(std::llround(0.9998 * 19999))] / 127);
        InputScheme lopsided = inputs("int8_percentile");
        lopsided.codecParams = *Params::fromJson(
            (*findCodec("int"))->params,
            {{"bits", 8}, {"grid", "asymmetric"}, {"group", -1}, {"scale_dtype", "f32"}}, "test");
        const auto both = searchStaticRange(lopsided, x.view(), {-40, 5}, {});
        QS_VERIFY_OK(both);
        std::vector<float> v(x.span().begin(), x.span().end());
        std::sort(v.begin(), v.end());
        QVERIFY(std::fabs(both->scale - (v[19997] - v[2]) / 255) <= 1e-6f);
    }
    void leastSquares() {
        const Matrix x = outlierRows();
        const auto r = searchStaticRange(inputs("int8_mse"), x.view(), {-40, 5}, {});
        QS_VERIFY_OK(r);
        double best = 0, least = INFINITY;
        for (int i = 0; i <= 80; ++i)
            if (const double scale = (1 - 0.01 * i) * 40 / 127, own = errorAt(x, scale); own < least) {
                least = own;
                best = scale;
            }
        QVERIFY(std::fabs(double(r->scale) / best - 1) <= 1e-5);
        QVERIFY(double(r->scale) < 0.95 * 40 / 127);
    }
    /// Against the divergence of two histograms by plain loops.
    void leastDivergence() {
        const Matrix x = outlierRows();
        const auto r = searchStaticRange(inputs("int8_kl"), x.view(), {-40, 5}, {});
        QS_VERIFY_OK(r);
        constexpr size_t kBins = 2048;
        std::vector<double> h(kBins);
        for (const float v : x.span())
            h[std::min(kBins - 1, size_t(double(std::fabs(v)) / 40 * kBins))] += 1;
        double best = 0, least = INFINITY;
        for (size_t bins = 128; bins <= kBins; bins += 8) {
            const double scale = double(bins) / kBins * 40 / 127;
            std::vector<double> p(h.begin(), h.begin() + ptrdiff_t(bins)), q(bins);
            const double inside = std::accumulate(p.begin(), p.end(), 0.0);
            std::map<long, std::pair<double, double>> level; // mass, filled bins
            const auto levelOf = [&](size_t i) {
                return std::min(127L, std::lround((double(i) + 0.5) * 40 / kBins / scale));
            };
            for (size_t i = 0; i < bins; ++i) {
                level[levelOf(i)].first += h[i];
                level[levelOf(i)].second += h[i] > 0 ? 1 : 0;
            }
            for (size_t i = 0; i < bins; ++i)
                if (h[i] > 0) q[i] = level[levelOf(i)].first / level[levelOf(i)].second / inside;
            p[bins - 1] += 20000 - inside;
            double sum = 0;
            for (size_t i = 0; i < bins; ++i)
                if (p[i] > 0) sum += p[i] / 20000 * std::log(p[i] / 20000 / q[i]);
            if (sum < least) {
                least = sum;
                best = scale;
            }
        }
        qInfo("%.5g, plainly %.5g, whole %.5g", double(r->scale), best, 40.0 / 127);
        QVERIFY(std::fabs(double(r->scale) / best - 1) <= 1e-5);
        QVERIFY(best < 0.5 * 40 / 127);
    }
    void nothingButZero() {
        const Matrix x(3, 4);
        for (const char* preset : {"int8_minmax", "int8_percentile", "int8_mse", "int8_kl", "fp8_minmax"}) {
            const auto r = searchStaticRange(inputs(preset), x.view(), {0, 0}, {});
            QS_VERIFY_OK(r);
            QVERIFY(r->scale > 0 && std::isfinite(r->scale));
        }
    }

    /// Runs keep them, all tokens share them, and exports write them.
    void runs() {
        SmallModelShape shape;
        shape.hidden = shape.intermediate = 64;
        const auto folder = scratchDir("static-model");
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        const auto model = *openModel(folder);
        const auto backend = makeCpuBackend();
        TokenWindows windows(2, 32);
        for (size_t i = 0; i < windows.size(); ++i)
            windows.data()[i] = int32_t((i * 31 + i / 7) % 50);
        const auto calibration =
            calibrate(*model, windows, {}, scratchDir("static-calibration") / "c.h5", *backend, {});
        QS_VERIFY_OK(calibration);
        for (const char* preset : {"int8_minmax", "int8_kl", "fp8_minmax"}) {
            const bool floats = std::string(preset).starts_with("fp8");
            const auto scheme = Scheme::fromJson(
                {{"codec", floats ? "float" : "int"},
                 {"codec_params", floats ? json{{"format", "e4m3"}, {"group", -1}}
                                         : json{{"bits", 8}, {"group", -1}, {"grid", "absmax"}}},
                 {"method", "rtn"},
                 {"inputs", inputs(preset).toJson()}},
                "test");
            QS_VERIFY_OK(scheme);
            QCOMPARE(QString::fromStdString(scheme->inputs->label()), QString(preset));
            const Plan plan = resolvePlan(Recipe::uniform(*scheme), *model);
            QVERIFY(!plan.hasErrors() && plan.needsCalibration());
            RunOptions options;
            options.directory = scratchDir("static-run");
            const auto run = executePlan(*model, plan, calibration->get(), options, *backend, {});
            QS_VERIFY_OK(run);
            const auto found = readFindings(findingsFile(options.directory), model->spec().blocks.size());
            QS_VERIFY_OK(found);
            const ExportRequest request{model, *run, scratchDir("static-export") / "made",
                                        Params::defaults((*findExporter("compressed_tensors"))->params)};
            const auto source = exportSource(request, **findExporter("compressed_tensors"));
            QS_VERIFY_OK(source);
            const auto weights = *runWeights(*run, model);
            for (const QuantTarget& t : model->targets()) {
                const auto& fixed = found->inputs.at(t.module).fixed;
                QVERIFY(fixed.has_value());
                const SiteRecord& record = *(*calibration)->find(t.site);
                float largest = 0;
                for (const float v : record.stats.absmax)
                    largest = std::max(largest, v);
                const auto exported = source->largestInput(t);
                QS_VERIFY_OK(exported);
                const float top = floats ? 448 : 127;
                QVERIFY(std::fabs(*exported / (top * fixed->scale) - 1) <= 1e-6f);
                if (std::string(preset) != "int8_kl") QVERIFY(std::fabs(*exported / largest - 1) <= 1e-3f);
                Matrix x(1, t.cols); // a token of small values meets the steps of all
                for (float& v : x.span())
                    v = 2.4f * fixed->scale;
                QS_VERIFY_OK((*weights->inputRounder(t.weight))->round(x.view()));
                for (const float v : x.span())
                    QVERIFY(std::fabs(v / fixed->scale - (floats ? 2.5f : 2.0f)) <= 1e-3f);
            }
            const auto receipt = exportRun("compressed_tensors", request, {});
            QS_VERIFY_OK(receipt);
            QVERIFY2(receipt->verified, receipt->summary().c_str());
            const auto config = json::parse(*readTextFile(request.directory / "config.json"));
            const json& group = config.at("quantization_config").at("config_groups").at("group_0");
            QCOMPARE(group.at("input_activations").at("dynamic"), json(false));
        }
    }

    void refusals() {
        const auto refused = [](json object, const char* part) {
            const auto made = InputScheme::fromJson(object, "r.json");
            return !made && made.error().describe().find(part) != std::string::npos;
        };
        const json group = {{"group", -1}};
        QVERIFY(
            refused({{"codec", "mx"}, {"static_range", "mse"}}, "static_range goes with codec int or float"));
        QVERIFY(refused({{"codec", "int"}, {"codec_params", {{"group", 32}}}, {"static_range", "kl"}},
                        "one scale a token"));
        QVERIFY(
            refused({{"codec", "int"}, {"codec_params", group}, {"static_range", "best"}}, "static_range"));
        QVERIFY(
            refused({{"codec", "int"}, {"codec_params", group}, {"static_range", "kl"}, {"keep_above", 6}},
                    "leave out keep_above"));
    }
};

QS_TEST(StaticRanges)
#include "tst_static_range.moc"
