// SPDX-License-Identifier: Apache-2.0
// Rounding of the KV cache: the arithmetic, what attention sees of it, and recipes.
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class KvCache : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend;
    static constexpr size_t kWindow = 70; // two runs of 32 and six tokens more

    static TokenWindows tokens(size_t windows, size_t offset) {
        TokenWindows t(windows, kWindow);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7 + offset) % 50);
        return t;
    }

    /// int4 asymmetric over n values at `stride`, by the definition.
    static void roundPlainly(float* x, size_t n, size_t stride) {
        float lo = 0, hi = 0;
        for (size_t i = 0; i < n; ++i) {
            lo = std::min(lo, x[i * stride]);
            hi = std::max(hi, x[i * stride]);
        }
        const float s = halfToFloat(floatToHalf((hi - lo) / 15)), z = std::nearbyint(-lo / s);
        for (size_t i = 0; i < n; ++i)
            x[i * stride] = s * (std::clamp(std::nearbyint(x[i * stride] / s) + z, 0.0f, 15.0f) - z);
    }

    static KvScheme scheme(const char* name, bool perChannel = false, bool beforeRope = false,
                           size_t exact = 0) {
        KvScheme s = *KvScheme::preset(name);
        s.keysPerChannel = perChannel;
        s.keysBeforeRope = beforeRope;
        s.exactTokens = exact;
        return s;
    }

    std::shared_ptr<const WeightSource> weightsOf(const std::optional<KvScheme>& kv, const char* name) {
        Recipe recipe{.name = "keep", .rules = {}};
        recipe.kvCache = kv;
        RunOptions options;
        options.directory = scratchDir(name);
        auto run = executePlan(*m_model, resolvePlan(recipe, *m_model), nullptr, options, *m_backend, {});
        if (!run) qFatal("%s", run.error().describe().c_str());
        return *runWeights(*run, m_model);
    }
    double klOf(const std::optional<KvScheme>& kv) {
        const auto weights = weightsOf(kv, "kv-run");
        const auto e = evaluate(m_model->spec(), *weights, modelWeights(*m_model).get(), tokens(4, 5), {},
                                *m_backend, {});
        if (!e) qFatal("%s", e.error().describe().c_str());
        return e->kl;
    }
    /// Keys that attention of block 0 reads, [tokens, kvHeads d].
    Matrix keysOf(const WeightSource& weights) {
        auto forward = *Forward::create(m_model->spec(), *m_backend, kWindow);
        Matrix keys;
        BlockWatch watch;
        watch.attention = [&](const Tensor&, const Tensor& k, const AttentionShape&) -> Result<void> {
            keys = Matrix(k.rows, k.cols);
            return m_backend->download(k, keys.view());
        };
        forward.watch(std::move(watch));
        auto hidden = *ActivationStore::create(2 * kWindow, m_model->spec().hidden, size_t(1) << 30);
        const TokenWindows two = tokens(2, 3);
        if (!forward.embed(two.span(), weights, hidden)) qFatal("embed");
        const auto block = *forward.loadBlock(0, weights);
        if (!forward.runBlock(0, block, hidden, {}, false, {})) qFatal("run");
        return keys;
    }

private slots:
    void initTestCase() {
        const auto dir = scratchDir("kv-model");
        SmallModelShape shape;
        shape.hidden = shape.intermediate = 128; // heads of 32
        shape.context = 96;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        auto model = openModel(dir);
        QS_VERIFY_OK(model);
        m_model = *model;
        m_backend = makeCpuBackend();
    }

    /// Two contexts of 70 tokens, 64 channels, against plain loops.
    void arithmetic() {
        for (const bool perChannel : {false, true})
            for (const size_t exact : {0, 3}) {
                Matrix x(2 * kWindow, 64);
                for (size_t i = 0; i < x.size(); ++i)
                    x.data()[i] = float(std::sin(double(i) * 0.37) * (1 + double(i % 13)));
                Matrix expected = x.clone();
                for (size_t w = 0; w < 2; ++w) {
                    const size_t first = w * kWindow + exact, end = (w + 1) * kWindow;
                    if (perChannel) {
                        for (size_t t = first; t + 32 <= end; t += 32)
                            for (size_t c = 0; c < 64; ++c)
                                roundPlainly(&expected(t, c), 32, 64);
                    } else {
                        for (size_t t = first; t < end; ++t)
                            for (size_t c = 0; c < 64; c += 32)
                                roundPlainly(&expected(t, c), 32, 1);
                    }
                }
                const auto rounder = *kvRounder(scheme("int4", perChannel, false, exact));
                Tensor t;
                QS_VERIFY_OK(m_backend->upload(std::as_const(x).view(), t));
                const KvRounder::Step& step = rounder->steps.front();
                QS_VERIFY_OK(rounder->round(step.keys.get(), *m_backend, kWindow, t));
                Matrix have(x.rows(), x.cols());
                QS_VERIFY_OK(m_backend->download(t, have.view()));
                for (size_t i = 0; i < have.size(); ++i)
                    QVERIFY2(std::fabs(have.data()[i] - expected.data()[i]) <= 1e-5f,
                             qPrintable(QString("%1: %2, expected %3")
                                            .arg(i)
                                            .arg(have.data()[i])
                                            .arg(expected.data()[i])));
                QS_VERIFY_OK(m_backend->upload(std::as_const(x).view(), t));
                QS_VERIFY_OK(rounder->round(step.values.get(), *m_backend, kWindow, t)); // never per channel
                QS_VERIFY_OK(m_backend->download(t, have.view()));
                QVERIFY(perChannel != std::equal(have.span().begin(), have.span().end(), expected.data(),
                                                 [](float a, float b) { return std::fabs(a - b) <= 1e-5f; }));
            }
    }

    /// What attention reads are the model's own keys, rounded: after the rotation, or before it (then they
    /// are no longer values of the grid).
    void attentionSeesRoundedKeys() {
        const Matrix plain = keysOf(*modelWeights(*m_model)),
                     after = keysOf(*weightsOf(scheme("int4"), "kv-after")),
                     before = keysOf(*weightsOf(scheme("int4", false, true), "kv-before"));
        size_t offGrid = 0;
        for (size_t t = 0; t < plain.rows(); ++t) {
            Matrix row(1, plain.cols());
            std::copy_n(plain.row(t), plain.cols(), row.data());
            for (size_t c = 0; c < plain.cols(); c += 32)
                roundPlainly(row.data() + c, 32, 1);
            for (size_t c = 0; c < plain.cols(); ++c) {
                QVERIFY(std::fabs(after(t, c) - row(0, c)) <= 1e-5f);
                offGrid += std::fabs(before(t, c) - row(0, c)) > 1e-4f;
                QVERIFY(std::fabs(before(t, c) - plain(t, c)) <= 0.5f);
            }
        }
        QVERIFY(offGrid > plain.size() / 4);
    }

    void fewerBitsHurtMore() {
        const double none = klOf(std::nullopt), eight = klOf(scheme("int8")), four = klOf(scheme("int4")),
                     three = klOf(scheme("int3")), two = klOf(scheme("int2"));
        QVERIFY(std::fabs(none) < 1e-7);
        QVERIFY2(eight < four && four < three && three < two,
                 qPrintable(QString("%1 %2 %3 %4").arg(eight).arg(four).arg(three).arg(two)));
        KvScheme keys = scheme("int2"), values = scheme("int2");
        keys.values.reset();
        values.keys.reset();
        QVERIFY(klOf(keys) < two && klOf(values) < two && klOf(keys) > 1e-6 && klOf(values) > 1e-6);
        QVERIFY(std::fabs(klOf(scheme("int2", false, false, kWindow))) < 1e-7); // every token kept
    }

    /// A run behind a rounded cache gives its methods other inputs, and an interrupted one ends the same.
    void runsBehindTheCache() {
        const auto calibration =
            calibrate(*m_model, tokens(4, 0), {}, scratchDir("kv-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(calibration);
        const auto codes = [&](bool rounded, bool interrupt, const char* name) {
            Recipe recipe = Recipe::uniform(*Scheme::fromJson(
                {{"codec", "int"}, {"codec_params", {{"bits", 3}, {"group", -1}}}, {"method", "gptq"}},
                "test"));
            if (rounded) recipe.kvCache = scheme("int2");
            RunOptions options;
            options.directory = scratchDir(name);
            std::stop_source stop;
            options.unitFinished = [&](int, const std::vector<TensorResult>&) {
                if (interrupt) stop.request_stop();
            };
            const Plan plan = resolvePlan(recipe, *m_model);
            auto run = executePlan(*m_model, plan, calibration->get(), options, *m_backend,
                                   JobContext(stop.get_token()));
            if (interrupt) {
                options.unitFinished = {};
                run = executePlan(*m_model, plan, calibration->get(), options, *m_backend, {});
            }
            if (!run) qFatal("%s", run.error().describe().c_str());
            return (*run)->tensor("layers.1.mlp.down_proj")->codes;
        };
        const auto whole = codes(true, false, "kv-whole");
        QVERIFY(whole == codes(true, true, "kv-resumed"));
        QVERIFY(whole != codes(false, false, "kv-kept"));
    }

    void recipes() {
        for (const std::string& name : KvScheme::presets())
            for (const bool flags : {false, true}) {
                const KvScheme s = scheme(name.c_str(), flags, flags, flags ? 5 : 0);
                const auto again = KvScheme::fromJson(s.toJson(), "test");
                QS_VERIFY_OK(again);
                QVERIFY(*again == s);
                QVERIFY2(s.label().find("values " + name) != std::string::npos, s.label().c_str());
            }
        QCOMPARE(QString::fromStdString(scheme("int4", true, true, 5).label()),
                 QString("keys int4 per channel before rotation, values int4, first 5 tokens kept"));
        const auto refused = [](const json& object, const char* part) {
            const auto s = KvScheme::fromJson(object, "r.json");
            return !s && s.error().describe().find(part) != std::string::npos;
        };
        const json int4 = {{"codec", "int"}};
        QVERIFY(refused(json::array(), "an object"));
        QVERIFY(refused(json::object(), "neither"));
        QVERIFY(refused({{"keys", int4}, {"bits", 4}}, "'bits'"));
        QVERIFY(refused({{"keys", int4}, {"keys_per_channel", 1}}, "keys_per_channel"));
        QVERIFY(refused({{"keys", int4}, {"exact_tokens", -1}}, "exact_tokens"));
        QVERIFY(refused({{"keys", {{"codec", "none"}}}}, "none"));
        Recipe recipe{.name = "r", .rules = {}};
        recipe.kvCache = scheme("int3", true);
        const auto again = Recipe::fromJson(recipe.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == recipe);
    }

    void plans() {
        const auto planWith = [&](const json& format) {
            Recipe recipe{.name = "r", .rules = {}};
            recipe.kvCache = *KvScheme::fromJson({{"keys", format}}, "test");
            return resolvePlan(recipe, *m_model);
        };
        QVERIFY(!planWith({{"codec", "int"}, {"codec_params", {{"group", 32}}}}).hasErrors());
        const Plan bad = planWith({{"codec", "int"}, {"codec_params", {{"group", 48}}}});
        QVERIFY(bad.hasErrors());
        QVERIFY(bad.issues.front().message.find("48") != std::string::npos);
        Recipe plain{.name = "r", .rules = {}};
        QVERIFY(resolvePlan(plain, *m_model).fingerprint() !=
                planWith({{"codec", "int"}, {"codec_params", {{"group", 32}}}}).fingerprint());
    }
};

QS_TEST(KvCache)
#include "tst_kv_cache.moc"
