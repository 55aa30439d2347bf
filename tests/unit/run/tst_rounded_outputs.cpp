// SPDX-License-Identifier: Apache-2.0
// Outputs of linears that are rounded (INT-FP-QSim: any format for weights, inputs and outputs).
#include "core/evaluate/evaluate.h"
#include "core/evaluate/hidden_cache.h"
#include "core/export/exporter.h"
#include "core/model/device_block.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

Scheme schemeOf(const json& outputs) {
    return *Scheme::fromJson({{"codec", "int"},
                              {"codec_params", {{"bits", 8}, {"group", -1}}},
                              {"method", "rtn"},
                              {"outputs", outputs}},
                             "test");
}

Scheme rounded(const char* preset) {
    return schemeOf(InputScheme::preset(preset)->toJson());
}

/// A model with other values for its linears, whose outputs are rounded by hand.
class ByHand final : public WeightSource {
public:
    ByHand(std::shared_ptr<const WeightSource> values, std::shared_ptr<const RowRounder> outputs,
           std::string linears)
        : values_(std::move(values)), outputs_(std::move(outputs)), linears_(std::move(linears)) {}
    Result<Matrix> matrix(const std::string& name) const override { return values_->matrix(name); }
    std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const override {
        return weight.find(linears_) == std::string::npos ? nullptr : outputs_;
    }
    std::string fingerprint() const override { return "by hand"; }
    std::string label() const override { return "by hand"; }

private:
    std::shared_ptr<const WeightSource> values_;
    std::shared_ptr<const RowRounder> outputs_;
    std::string linears_;
};

} // namespace

class RoundedOutputs : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend = makeCpuBackend(2);
    TokenWindows m_text{3, 32};

private slots:
    void initTestCase() {
        const auto dir = scratchDir("rounded-outputs");
        const SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = openModel(dir);
        QS_VERIFY_OK(model);
        m_model = *model;
        for (size_t i = 0; i < m_text.size(); ++i)
            m_text.data()[i] = int32_t((i * 31 + i / 7) % 50);
    }

    // y = x W^T + b, then every token on 255 steps of its own largest magnitude, by plain loops.
    void outputsOfOneLinear() {
        std::mt19937_64 rng(5);
        std::normal_distribution<float> normal;
        Matrix x(6, 10), w(16, 10), b(1, 16);
        for (Matrix* m : {&x, &w, &b})
            for (float& v : m->span())
                v = normal(rng);
        DeviceLinear linear;
        Tensor tx, ty = *m_backend->allocate(6, 16);
        QS_VERIFY_OK(m_backend->upload(x.view(), tx));
        QS_VERIFY_OK(m_backend->uploadWeight(w.view(), linear.weight));
        QS_VERIFY_OK(m_backend->upload(b.view(), linear.bias));
        linear.outputs = *outputRounder(rounded("int8"));
        QS_VERIFY_OK(linear.apply(*m_backend, tx, ty));
        Matrix y(6, 16);
        QS_VERIFY_OK(m_backend->download(ty, y.view()));
        for (size_t t = 0; t < 6; ++t) {
            std::vector<double> exact(16);
            double most = 0;
            for (size_t o = 0; o < 16; ++o) {
                exact[o] = double(b(0, o));
                for (size_t i = 0; i < 10; ++i)
                    exact[o] += double(x(t, i)) * double(w(o, i));
                most = std::max(most, std::fabs(exact[o]));
            }
            const double step = most / 127;
            double largest = 0;
            for (size_t o = 0; o < 16; ++o) {
                const double steps = double(y(t, o)) / step;
                QVERIFY(std::fabs(steps - std::nearbyint(steps)) <=
                        0.02); // a grid point, but for the scale's type
                largest = std::max(largest, std::fabs(double(y(t, o)) - exact[o]));
            }
            QVERIFY(largest <= 0.51 * step + 1e-3 * most && largest > 0.05 * step);
        }
    }

    // A run says so, and computes what a model with its values and the same rounding by hand computes.
    void aRunWithOutputs_data() {
        QTest::addColumn<QString>("preset");
        for (const char* preset : {"int8", "fp8", "int4"})
            QTest::newRow(preset) << preset;
    }
    void aRunWithOutputs() {
        QFETCH(QString, preset);
        const Scheme scheme = rounded(preset.toLatin1());
        Scheme plain = scheme;
        plain.outputs.reset();
        const auto runOf = [&](const Scheme& s) {
            RunOptions options;
            options.directory = scratchDir("rounded-outputs-run");
            const Plan plan = resolvePlan(Recipe::uniform(s), *m_model);
            if (plan.hasErrors()) qFatal("the plan has errors");
            return *executePlan(*m_model, plan, nullptr, options, *m_backend, {});
        };
        const auto run = runOf(scheme), without = runOf(plain);
        const auto weights = *runWeights(run, m_model), other = *runWeights(without, m_model);
        QVERIFY(weights->fingerprint() != other->fingerprint());
        const std::string q = m_model->spec().blocks[0].attention.q.weight;
        QVERIFY(weights->outputRounder(q) && !other->outputRounder(q) && !*weights->inputRounder(q));
        const ByHand byHand(other, *outputRounder(scheme), "proj");
        const auto measured = [&](const WeightSource& w) {
            return evaluate(m_model->spec(), w, nullptr, m_text, {}, *m_backend, {})->nll;
        };
        const double got = measured(*weights);
        QCOMPARE(got, measured(byHand));
        QVERIFY(std::fabs(got - measured(*other)) > 1e-6);
    }

    // What a linear's change does is measured with its outputs rounded, and those of the next one are not.
    void kept() {
        const Recipe recipe = Recipe::uniform(rounded("fp8"));
        const auto again = Recipe::fromJson(recipe.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == recipe);
        const Plan plan = resolvePlan(recipe, *m_model);
        QVERIFY(!plan.needsCalibration());
        QVERIFY(plan.fingerprint() != resolvePlan(Recipe::uniform(rounded("int8")), *m_model).fingerprint());
        for (const std::string& name : InputScheme::outputPresets())
            QVERIFY(!InputScheme::preset(name)->isSearched());
        QVERIFY(InputScheme::outputPresets().size() >= 8);
    }

    // How outputs are rounded belongs to what hidden states follow from.
    void evaluationsKeepThemApart() {
        const auto values = modelWeights(*m_model);
        const ByHand second(values, *outputRounder(rounded("int8")), "layers.1.");
        const auto folder = scratchDir("rounded-outputs-cache");
        EvaluateOptions options;
        options.cache = HiddenCache{folder, "identity"};
        const auto taken = [&](const WeightSource& w) {
            return evaluate(m_model->spec(), w, nullptr, m_text, options, *m_backend, {})->blocksTaken;
        };
        const size_t blocks = m_model->spec().blocks.size();
        QCOMPARE(taken(second), size_t(0));
        QCOMPARE(taken(second), blocks);
        QCOMPARE(taken(ByHand(values, *outputRounder(rounded("fp8")), "layers.1.")),
                 size_t(1)); // the first one
    }

    void exportsSayThatRuntimesDoNot() {
        for (const char* id : {"compressed_tensors", "dequantized", "gguf"}) {
            const ExporterDescriptor* exporter = *findExporter(id);
            const auto issues =
                exporter->lint(*m_model, resolvePlan(Recipe::uniform(rounded("int8")), *m_model));
            QVERIFY2(std::any_of(issues.begin(), issues.end(),
                                 [](const LintIssue& i) {
                                     return i.rule.ends_with("outputs") && i.severity == Severity::Warning;
                                 }),
                     id);
        }
    }

    void refusals() {
        const auto refused = [](const json& outputs, const char* part) {
            const auto made =
                Scheme::fromJson({{"codec", "int"}, {"method", "rtn"}, {"outputs", outputs}}, "r.json");
            return !made && made.error().describe().find(part) != std::string::npos;
        };
        QVERIFY(refused(InputScheme::preset("int8_kl")->toJson(), "int8_kl is searched on calibration text"));
        QVERIFY(refused("int8", "must be an object"));
        QVERIFY(refused({{"codec", "no"}}, "no codec 'no'"));
        // 32 channels in blocks of 48 do not fit, and one issue a linear says so.
        const Plan plan = resolvePlan(
            Recipe::uniform(schemeOf({{"codec", "int"}, {"codec_params", {{"bits", 8}, {"group", 48}}}})),
            *m_model);
        QVERIFY(plan.hasErrors());
        QVERIFY(std::any_of(plan.issues.begin(), plan.issues.end(), [](const LintIssue& i) {
            return i.rule == "outputs" && i.message.find("The format of its outputs does not fit") == 0;
        }));
    }
};

QS_TEST(RoundedOutputs)
#include "tst_rounded_outputs.moc"
