// SPDX-License-Identifier: Apache-2.0
// Formats of a KV cache that are found on a text: their arithmetic against plain loops, and runs.
#include "core/calibrate/key_codebook.h"
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "core/run/base_search.h"
#include "core/run/run.h"
#include "core/run/run_findings.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class CacheFormats : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend = makeCpuBackend();
    std::shared_ptr<const Calibration> m_calibration;
    static constexpr size_t kWindow = 40, kWindows = 3;

    static TokenWindows tokens(size_t offset) {
        TokenWindows t(kWindows, kWindow);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7 + offset) % 50);
        return t;
    }
    static Matrix noise(size_t rows, size_t cols) {
        Matrix m(rows, cols);
        std::mt19937 rng(5);
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] = float(double(rng()) / 4294967296.0 - 0.5) * float(1 + 3 * (i % cols % 3)) +
                          float(i % cols % 5);
        return m;
    }
    static ChannelRange rangeOf(const Matrix& m, size_t window = 1, size_t exact = 0) {
        ChannelRange r;
        for (size_t c = 0; c < m.cols(); ++c) {
            r.low.push_back(INFINITY);
            r.high.push_back(-INFINITY);
            for (size_t t = 0; t < m.rows(); ++t)
                if (t % window >= exact) {
                    r.low[c] = std::min(r.low[c], m(t, c));
                    r.high[c] = std::max(r.high[c], m(t, c));
                }
        }
        return r;
    }
    static bool close(const Matrix& a, const Matrix& b, float tolerance) {
        if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
        for (size_t i = 0; i < a.size(); ++i)
            if (!(std::fabs(a.data()[i] - b.data()[i]) <= tolerance)) return false;
        return true;
    }
    /// n values, asymmetric integers of 4 bits with the range lo .. hi and 0.
    static float roundPlainly(float x, float lo, float hi) {
        lo = std::min(lo, 0.0f);
        hi = std::max(hi, 0.0f);
        const float s = halfToFloat(floatToHalf((hi - lo) / 15)), z = std::nearbyint(-lo / s);
        return s * (std::clamp(std::nearbyint(x / s) + z, 0.0f, 15.0f) - z);
    }
    static KvScheme scheme(const json& more, const char* format = "int4") {
        json object = KvScheme::preset(format)->toJson();
        object.update(more);
        for (auto it = object.begin(); it != object.end();)
            it = it->is_null() ? object.erase(it) : ++it;
        auto s = KvScheme::fromJson(json::parse(object.dump()), "test"); // as from a file
        if (!s) qFatal("%s", s.error().describe().c_str());
        return *s;
    }
    static Recipe recipeOf(const KvScheme& kv) {
        Recipe recipe{.name = "keep", .rules = {}};
        recipe.kvCache = kv;
        return recipe;
    }
    std::shared_ptr<const WeightSource> weightsOf(const Recipe& recipe, const char* name) {
        RunOptions options;
        options.directory = scratchDir(name);
        const Plan plan = resolvePlan(recipe, *m_model);
        auto run = executePlan(*m_model, plan, m_calibration.get(), options, *m_backend, {});
        if (!run) qFatal("%s", run.error().describe().c_str());
        return *runWeights(*run, m_model);
    }
    double klOf(const Recipe& recipe) {
        const auto weights = weightsOf(recipe, "formats-run");
        const auto e =
            evaluate(m_model->spec(), *weights, modelWeights(*m_model).get(), tokens(11), {}, *m_backend, {});
        if (!e) qFatal("%s", e.error().describe().c_str());
        return e->kl;
    }
    /// Keys that attention of block 0 reads on the calibration's tokens.
    Matrix keysOf(const WeightSource& weights) {
        auto forward = *Forward::create(m_model->spec(), *m_backend, kWindow);
        Matrix keys;
        BlockWatch watch;
        watch.attention = [&](const Tensor&, const Tensor& k, const AttentionShape&) -> Result<void> {
            keys = Matrix(k.rows, k.cols);
            return m_backend->download(k, keys.view());
        };
        forward.watch(std::move(watch));
        auto hidden = *ActivationStore::create(kWindows * kWindow, m_model->spec().hidden, size_t(1) << 30);
        const TokenWindows all = tokens(0);
        if (!forward.embed(all.span(), weights, hidden)) qFatal("embed");
        const auto block = *forward.loadBlock(0, weights);
        if (!forward.runBlock(0, block, hidden, {}, false, {})) qFatal("run");
        return keys;
    }

private slots:
    void initTestCase() {
        const auto dir = scratchDir("formats-model");
        SmallModelShape shape;
        shape.hidden = shape.intermediate = 128;
        shape.context = 64;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        auto model = openModel(dir);
        QS_VERIFY_OK(model);
        m_model = *model;
        auto calibration =
            calibrate(*m_model, tokens(0), {}, scratchDir("formats-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(calibration);
        m_calibration = *calibration;
    }

    void staticRanges() {
        const auto codec =
            *createCodec("int", *Params::fromJson((*findCodec("int"))->params,
                                                  {{"bits", 4}, {"grid", "asymmetric"}}, "test"));
        const Matrix text = noise(50, 12);
        ChannelRange range = rangeOf(text);
        for (const bool keep : {false, true}) {
            Matrix x = noise(60, 12), expected = x.clone();
            x(3, 4) = expected(3, 4) = 100;
            x(7, 0) = expected(7, 0) = -70;
            for (size_t i = 0; i < x.size(); ++i) {
                const float lo = range.low[i % 12], hi = range.high[i % 12];
                if (!keep || (x.data()[i] >= lo && x.data()[i] <= hi))
                    expected.data()[i] = roundPlainly(x.data()[i], lo, hi);
            }
            QS_VERIFY_OK(staticFormat(codec, range, keep)->round(x.view()));
            QVERIFY(close(x, expected, 1e-5f));
            QCOMPARE(x(3, 4) == 100, keep);
        }
        Matrix other(2, 11);
        QVERIFY(!staticFormat(codec, range, false)->round(other.view()));
        const auto blocks = *createCodec("mx", Params::defaults((*findCodec("mx"))->params));
        QVERIFY(!requireOneScale(*blocks));
    }

    void shiftedAndScaled() {
        const auto rounder = *inputRounder(*Scheme::fromJson(
            {{"codec", "int"},
             {"inputs",
              {{"codec", "int"}, {"codec_params", {{"bits", 4}, {"grid", "asymmetric"}, {"group", 4}}}}}},
            "test"));
        const ChannelRange range = rangeOf(noise(50, 12));
        Matrix x = noise(9, 12), expected = x.clone();
        for (size_t t = 0; t < 9; ++t)
            for (size_t g = 0; g < 12; g += 4) {
                float y[4], lo = INFINITY, hi = -INFINITY;
                for (size_t c = 0; c < 4; ++c) {
                    const float a = range.low[g + c], b = range.high[g + c];
                    y[c] = (x(t, g + c) - (a + b) / 2) / std::sqrt((b - a) / 2);
                    lo = std::min(lo, y[c]);
                    hi = std::max(hi, y[c]);
                }
                for (size_t c = 0; c < 4; ++c) {
                    const float a = range.low[g + c], b = range.high[g + c];
                    expected(t, g + c) = roundPlainly(y[c], lo, hi) * std::sqrt((b - a) / 2) + (a + b) / 2;
                }
            }
        QS_VERIFY_OK(smoothedFormat(rounder, range)->round(x.view()));
        QVERIFY(close(x, expected, 1e-4f));
    }

    /// Whatever comes out has the least (k - k')^T H (k - k') of what the codebook of a head can say: pieces
    /// of two channels of z = L^T k, by hand for one head of four channels.
    void codebookIsNearestInTheMetric() {
        const size_t d = 4;
        const Matrix keys = noise(400, 2 * d), queries = noise(100, 2 * d);
        MatrixD metric(2 * d, d);
        for (size_t t = 0; t < 100; ++t)
            for (size_t h = 0; h < 2; ++h)
                for (size_t i = 0; i < d; ++i)
                    for (size_t j = 0; j < d; ++j)
                        metric(h * d + i, j) += double(queries(t, h * d + i)) * double(queries(t, h * d + j));
        auto book = fitKeyCodebook(keys.view(), metric.view(), 2, 2, {});
        QS_VERIFY_OK(book);
        QCOMPARE(book->count, size_t(16));
        const auto shared = std::make_shared<const KeyCodebook>(std::move(*book));
        Matrix rounded = keys.clone();
        QS_VERIFY_OK(codebookFormat(shared)->round(rounded.view()));
        const auto error = [&](size_t h, const float* a, const float* b) {
            double sum = 0;
            for (size_t i = 0; i < d; ++i)
                for (size_t j = 0; j < d; ++j)
                    sum += double(a[i] - b[i]) * metric(h * d + i, j) * double(a[j] - b[j]);
            return sum;
        };
        for (size_t t = 0; t < 20; ++t)
            for (size_t h = 0; h < 2; ++h) {
                double best = INFINITY;
                for (size_t a = 0; a < 16; ++a)
                    for (size_t b = 0; b < 16; ++b) {
                        float z[4], k[4] = {};
                        for (size_t j = 0; j < 2; ++j) {
                            z[j] = shared->centers((h * 2) * 16 + a, j);
                            z[2 + j] = shared->centers((h * 2 + 1) * 16 + b, j);
                        }
                        for (size_t i = 0; i < d; ++i)
                            for (size_t j = 0; j < d; ++j)
                                k[i] += shared->unwhiten(h * d + i, j) * z[j];
                        best = std::min(best, error(h, keys.row(t) + h * d, k));
                    }
                const double have = error(h, keys.row(t) + h * d, rounded.row(t) + h * d);
                QVERIFY2(have <= best * 1.01 + 1e-3, qPrintable(QString("%1 %2").arg(have).arg(best)));
            }
        // Fitted to the plain distance it is worse in the metric.
        MatrixD plain(2 * d, d);
        for (size_t i = 0; i < 2 * d; ++i)
            plain(i, i % d) = 1;
        auto other = fitKeyCodebook(keys.view(), plain.view(), 2, 2, {});
        QS_VERIFY_OK(other);
        Matrix second = keys.clone();
        QS_VERIFY_OK(
            codebookFormat(std::make_shared<const KeyCodebook>(std::move(*other)))->round(second.view()));
        double first = 0, without = 0;
        for (size_t t = 0; t < keys.rows(); ++t)
            for (size_t h = 0; h < 2; ++h) {
                first += error(h, keys.row(t) + h * d, rounded.row(t) + h * d);
                without += error(h, keys.row(t) + h * d, second.row(t) + h * d);
            }
        QVERIFY2(first < without, qPrintable(QString("%1 %2").arg(first).arg(without)));
    }

    /// Ranges are those of the keys that the original model computes on the calibration text.
    void runsHaveTheRangesOfTheText() {
        const Matrix keys = keysOf(*modelWeights(*m_model));
        for (const size_t exact : {0, 4}) {
            const ChannelRange range = rangeOf(keys, kWindow, exact);
            Matrix expected = keys.clone();
            for (size_t t = 0; t < keys.rows(); ++t)
                for (size_t c = 0; t % kWindow >= exact && c < keys.cols(); ++c)
                    expected(t, c) = roundPlainly(keys(t, c), range.low[c], range.high[c]);
            const auto weights =
                weightsOf(recipeOf(scheme({{"keys_static", true}, {"exact_tokens", exact}})), "static-run");
            QVERIFY(close(keysOf(*weights), expected, 1e-4f));
        }
    }

    void quantilesKeepTheRest() {
        const Matrix keys = keysOf(*modelWeights(*m_model));
        const Matrix rounded =
            keysOf(*weightsOf(recipeOf(scheme({{"keys_static", true}, {"keys_kept", 0.1}})), "kept-run"));
        for (size_t c = 0; c < keys.cols(); ++c) {
            std::vector<float> column;
            for (size_t t = 0; t < keys.rows(); ++t)
                column.push_back(keys(t, c));
            std::sort(column.begin(), column.end());
            const size_t cut = size_t(0.05 * double(column.size()));
            const float lo = column[cut], hi = column[column.size() - 1 - cut];
            for (size_t t = 0; t < keys.rows(); ++t) {
                const float x = keys(t, c);
                const float expected = x < lo || x > hi ? x : roundPlainly(x, lo, hi);
                QVERIFY(std::fabs(rounded(t, c) - expected) <= 1e-4f);
            }
        }
    }

    void whatEachCosts() {
        const auto kl = [&](const json& more, const char* format = "int4") {
            return klOf(recipeOf(scheme(more, format)));
        };
        const json nothing = json::object();
        const double eight = kl(nothing, "int8"), two = kl(nothing, "int2");
        QVERIFY(std::fabs(kl(nothing, "int2@40,int4") - two) < 1e-4 * two); // nothing is older than a context
        const double stairs = kl(nothing, "int8@8,int2");
        QVERIFY2(eight < stairs && stairs < two,
                 qPrintable(QString("%1 %2 %3").arg(eight).arg(stairs).arg(two)));
        const double past = kl({{"past_only", true}}, "int2");
        QVERIFY2(past < two && past > eight, qPrintable(QString::number(past)));
        for (const json& more : {json{{"keys_static", true}}, json{{"smooth_channels", true}},
                                 json{{"keys", nullptr}, {"key_codebook", {{"bits", 2}, {"length", 4}}}},
                                 json{{"keys", nullptr},
                                      {"key_codebook", {{"bits", 2}, {"length", 4}}},
                                      {"keys_before_rope", true},
                                      {"windowed_rope", {{"window", 8}, {"position", 8}}}},
                                 json{{"keys", nullptr},
                                      {"key_codebook", {{"bits", 2}, {"length", 4}}},
                                      {"keys_before_rope", true},
                                      {"best_tokens", 6}}}) {
            const double v = kl(more);
            QVERIFY2(v > 1e-9 && v < 1, qPrintable(QString::number(v)));
        }
    }

    /// With all tokens among the best, exact keys are all there is: only values cost, int8 ones nearly
    /// nothing.
    void allTokensAreExact() {
        const json rough = {{"keys", InputScheme::preset("int4")->toJson()}};
        const double all = klOf(recipeOf(scheme({{"keys", rough.at("keys")}, {"best_tokens", 100}}, "int8"))),
                     few = klOf(recipeOf(scheme({{"keys", rough.at("keys")}, {"best_tokens", 2}}, "int8"))),
                     values = klOf(recipeOf(scheme({{"keys", nullptr}}, "int8")));
        QVERIFY2(std::fabs(all - values) <= 1e-3 * values && few > all,
                 qPrintable(QString("%1 %2 %3").arg(all).arg(few).arg(values)));
    }

    void findingsOutliveTheRun() {
        const Recipe recipe = recipeOf(scheme({{"keys_static", true}, {"smooth_channels", nullptr}}));
        const auto dir = scratchDir("findings-run");
        const Plan plan = resolvePlan(recipe, *m_model);
        QVERIFY(plan.needsCalibration());
        RunOptions options;
        options.directory = dir;
        const auto without = executePlan(*m_model, plan, nullptr, options, *m_backend, {});
        QVERIFY(!without && without.error().message.find("KV cache") != std::string::npos);
        QS_VERIFY_OK(executePlan(*m_model, plan, m_calibration.get(), options, *m_backend, {}));
        const auto before = readFindings(findingsFile(dir), m_model->spec().blocks.size());
        QS_VERIFY_OK(before);
        QCOMPARE(before->blocks[1].keys.low.size(), size_t(64));
        QS_VERIFY_OK(executePlan(*m_model, plan, m_calibration.get(), options, *m_backend, {}));
        const auto run = Run::open(dir);
        QS_VERIFY_OK(run);
        QS_VERIFY_OK(runWeights(*run, m_model));
        // A range that is upside down is not taken.
        RunFindings wrong;
        wrong.blocks.resize(2);
        wrong.blocks[0].keys = {{1, 2}, {3, 1}};
        QS_VERIFY_OK(writeFindings(findingsFile(dir), wrong));
        const auto damaged = runWeights(*run, m_model);
        QVERIFY(!damaged && damaged.error().describe().find("channel 1") != std::string::npos);
        std::filesystem::remove(findingsFile(dir));
        QVERIFY(!runWeights(*run, m_model));
    }

    void findingsRoundTrip() {
        const Matrix keys = noise(100, 8);
        MatrixD metric(8, 4);
        for (size_t i = 0; i < 8; ++i)
            metric(i, i % 4) = double(i + 1);
        auto book = fitKeyCodebook(keys.view(), metric.view(), 2, 1, {});
        QS_VERIFY_OK(book);
        RunFindings f;
        f.blocks.resize(2);
        f.blocks[0].keys = rangeOf(keys);
        f.blocks[1].codebook = std::make_shared<const KeyCodebook>(std::move(*book));
        f.inputs["layers.0.mlp.down_proj"].base = 22;
        f.inputs["layers.1.mlp.down_proj"] = {18, "", true, {0.75f, 0.17f}};
        f.inputs["layers.1.mlp.up_proj"] = {std::nullopt, "e1m2", false, {0.8125f, 0}};
        f.probabilityBase = {10, 148};
        const auto file = scratchDir("findings") / "f.h5";
        QS_VERIFY_OK(writeFindings(file, f));
        const auto again = readFindings(file, 2);
        QS_VERIFY_OK(again);
        QVERIFY(again->blocks[0].keys == f.blocks[0].keys && !again->blocks[0].codebook);
        QVERIFY(again->inputs == f.inputs && again->probabilityBase == f.probabilityBase);
        const KeyCodebook &a = *again->blocks[1].codebook, &b = *f.blocks[1].codebook;
        QVERIFY(a.heads == 2 && a.headDim == 4 && a.length == 2 && a.count == 4);
        QVERIFY(close(a.whiten, b.whiten, 0) && close(a.unwhiten, b.unwhiten, 0) &&
                close(a.centers, b.centers, 0));
        QVERIFY(!readFindings(file, 3)); // two bases of probabilities
    }

    /// Values that lie on a grid of base 2^(20 / 74) are rounded best by it.
    void baseIsFound() {
        const auto search = BaseSearch::create(*InputScheme::probabilityPreset("adalog4"));
        QS_VERIFY_OK(search);
        Matrix x(5, 15);
        for (size_t t = 0; t < x.rows(); ++t)
            for (size_t c = 0; c < x.cols(); ++c)
                x(t, c) = float(0.8 * std::exp2(-double((c * 7 + t) % 15) * 20 / 74));
        QS_VERIFY_OK((*search)->add(x.view(), {}));
        QCOMPARE((*search)->best(), 20);
    }

    void searchedBasesInRuns() {
        Recipe recipe =
            Recipe::uniform(*Scheme::fromJson({{"codec", "int"},
                                               {"codec_params", {{"bits", 8}, {"group", -1}}},
                                               {"inputs", InputScheme::preset("adalog4")->toJson()}},
                                              "test"));
        recipe.probabilities = *InputScheme::probabilityPreset("adalog4");
        QVERIFY(resolvePlan(recipe, *m_model).needsCalibration());
        const auto again = Recipe::fromJson(recipe.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == recipe);
        const double searched = klOf(recipe);
        recipe.rules[0].scheme->inputs = *InputScheme::preset("log4");
        recipe.probabilities = *InputScheme::probabilityPreset("log2_4");
        const double fixed = klOf(recipe);
        QVERIFY2(searched > 0 && searched < fixed, qPrintable(QString("%1 %2").arg(searched).arg(fixed)));
    }

    /// Exact, by hand: 2 KV heads of 32.
    void bits() {
        const auto bitsOf = [](const KvScheme& s, size_t tokens) { return *s.bitsPerValue(64, tokens); };
        // int4 in groups of 32: 4 + scale and zero point of a group.
        const double four = 4 + 16.0 / 32 + 4.0 / 32, eight = 8 + 16.0 / 32 + 8.0 / 32,
                     two = 2 + 16.0 / 32 + 2.0 / 32;
        QCOMPARE(bitsOf(scheme(json::object()), 10), four);
        QCOMPARE(bitsOf(scheme({{"exact_tokens", 4}}), 10), (4 * 16 + 6 * four) / 10);
        QCOMPARE(bitsOf(scheme({{"past_only", true}}), 10), (16 + 9 * four) / 10);
        QCOMPARE(bitsOf(scheme(json::object(), "int8@3,int4@5,int2"), 10),
                 (3 * eight + 2 * four + 5 * two) / 10);
        QCOMPARE(bitsOf(scheme({{"keys_static", true}}), 10), (4 + four) / 2);
        QCOMPARE(bitsOf(scheme({{"keys_static", true}, {"keys_kept", 0.01}}), 10), (4.32 + four) / 2);
        QCOMPARE(bitsOf(scheme({{"keys", nullptr}, {"key_codebook", {{"bits", 2}, {"length", 4}}}}), 10),
                 (2 + four) / 2);
        QCOMPARE(bitsOf(scheme({{"values", nullptr}}), 10), (16 + four) / 2);
        // Exact keys beside those that rank them.
        QCOMPARE(bitsOf(scheme({{"best_tokens", 4}}), 10), (16 + four + four) / 2);
        QCOMPARE(bitsOf(scheme({{"keys", nullptr},
                                {"best_tokens", 4},
                                {"key_codebook", {{"bits", 2}, {"length", 4}}}}),
                        10),
                 (16 + 2 + four) / 2);
        QCOMPARE(bitsOf(scheme({{"keys_per_channel", true}}), 40), ((32 * four + 8 * 16) / 40 + four) / 2);
    }

    void recipes() {
        const KvScheme s =
            scheme({{"past_only", true}, {"keys_before_rope", true}}, "int8@128,int4@512,int2");
        QCOMPARE(s.aging.size(), size_t(2));
        QCOMPARE(
            QString::fromStdString(s.label()),
            QString(
                "keys int8 before rotation, values int8; from age 128: int4; from age 512: int2, past only"));
        QVERIFY(*KvScheme::fromJson(s.toJson(), "test") == s);
        for (const char* wrong : {"int8@128", "int8,int4", "int8@0,int4", "int8@9,int4@9,int2", "int8@x,int4",
                                  "int5", "", "int8@1,"})
            QVERIFY2(!KvScheme::preset(wrong), wrong);
        const auto refused = [](json more, const char* part) {
            json object = KvScheme::preset("int4")->toJson();
            object.update(more);
            const auto made = KvScheme::fromJson(json::parse(object.dump()), "r.json");
            return !made && made.error().describe().find(part) != std::string::npos;
        };
        QVERIFY(refused({{"key_codebook", json::object()}}, "not both"));
        QVERIFY(refused({{"keys_kept", 0.1}}, "keys_static"));
        QVERIFY(refused({{"keys_static", true}, {"keys_kept", 0.5}}, "keys_kept"));
        QVERIFY(refused({{"keys_static", true}, {"keys_per_channel", true}}, "not both"));
        QVERIFY(refused({{"past_only", true}, {"keys_per_channel", true}}, "no single age"));
        QVERIFY(refused({{"windowed_rope", json::object()}}, "keys_before_rope"));
        QVERIFY(!KvScheme::fromJson({{"values", InputScheme::preset("int8")->toJson()}, {"best_tokens", 4}},
                                    "r"));
        QCOMPARE(scheme({{"best_tokens", 4}}).bestTokens, size_t(4));
        QVERIFY(refused({{"aging", json::array({{{"age", 3}}})}}, "neither"));
        QVERIFY(refused({{"aging", 3}}, "aging"));
        QVERIFY(refused({{"aging", json::array({{{"age", 0}, {"keys", {{"codec", "int"}}}}})}}, "age"));
        QVERIFY(refused({{"smooth_channels", 1}}, "smooth_channels"));
    }

    void plansRefuse() {
        Recipe recipe = recipeOf(scheme({{"keys", nullptr}, {"key_codebook", {{"bits", 1}, {"length", 7}}}}));
        const Plan bad = resolvePlan(recipe, *m_model);
        QVERIFY(bad.hasErrors() && bad.issues.front().message.find("vectors of 7") != std::string::npos);
        recipe = recipeOf(scheme({{"smooth_channels", true}}));
        recipe.transforms.push_back(*TransformUse::make("smoothquant"));
        const Plan both = resolvePlan(recipe, *m_model);
        QVERIFY(both.hasErrors());
        json keys = InputScheme::preset("mxfp8")->toJson();
        recipe = recipeOf(scheme({{"keys_static", true}, {"keys", keys}}));
        QVERIFY(resolvePlan(recipe, *m_model).hasErrors());
        recipe = {.name = "r", .rules = {}};
        recipe.probabilities = *InputScheme::preset("mxfp4"); // blocks of 32
        const Plan groups = resolvePlan(recipe, *m_model);
        QVERIFY(groups.hasErrors() && groups.issues.front().rule == "probabilities");
    }
};

QS_TEST(CacheFormats)
#include "tst_cache_formats.moc"
