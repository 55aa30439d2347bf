// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/changed_linears.h"
#include "tests/unit/architecture/golden_case.h"

#include <nlohmann/json.hpp>
#include <set>

using namespace qs;
using namespace qs::test;

namespace {

constexpr size_t kWindow = 12;

/// The tokens of a golden case as windows.
TokenWindows windowsOf(const std::string& name) {
    const std::vector<int32_t> ids = goldenTokens(name);
    TokenWindows tokens(ids.size() / kWindow, kWindow);
    std::copy_n(ids.begin(), tokens.size(), tokens.data());
    return tokens;
}

/// Coarse values: multiples of a quarter of the largest weight.
Matrix coarse(const Matrix& m) {
    float top = 0;
    for (const float v : m.span())
        top = std::max(top, std::fabs(v));
    Matrix out = m.clone();
    for (float& v : out.span())
        v = std::round(v / top * 4) * top / 4;
    return out;
}

/// A model's weights with one matrix made coarse: the whole model is run with it, from its first block on.
class OneCoarse final : public WeightSource {
public:
    OneCoarse(std::shared_ptr<const WeightSource> base, std::string name,
              std::shared_ptr<const RowRounder> inputs = nullptr)
        : base_(std::move(base)), name_(std::move(name)), inputs_(std::move(inputs)) {}
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& n) const override {
        return n == name_ ? inputs_ : nullptr;
    }
    Result<Matrix> matrix(const std::string& n) const override {
        auto m = base_->matrix(n);
        if (m && n == name_) return coarse(*m);
        return m;
    }
    std::string fingerprint() const override { return "one coarse"; }
    std::string label() const override { return "one coarse"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string name_;
    std::shared_ptr<const RowRounder> inputs_;
};

/// Every other change rounds the inputs too, to 4 bits.
std::shared_ptr<const RowRounder> roundedInputs(size_t linear) {
    if (linear % 2 == 0) return nullptr;
    const CodecDescriptor* d = *findCodec("int");
    const auto params = Params::fromJson(d->params, {{"bits", 4}, {"group", -1}}, "test");
    return std::make_shared<const RowRounder>(*d->create(*params));
}

std::vector<const LinearSpec*> linearsOf(const ModelSpec& spec) {
    std::vector<const LinearSpec*> out;
    for (const BlockSpec& b : spec.blocks)
        for (const LinearSpec* l : b.linears())
            out.push_back(l);
    return out;
}

LinearChange coarseChange(const std::shared_ptr<const WeightSource>& weights, const LinearSpec& l) {
    return {l.module,
            [weights, name = l.weight](const JobContext&) -> Result<Matrix> {
                QS_TRY(const Matrix m, weights->matrix(name));
                return coarse(m);
            },
            nullptr};
}

} // namespace

class ChangedLinearsTest : public QObject {
    Q_OBJECT
private slots:
    void equalsRunningTheWholeModelForEach_data() {
        QTest::addColumn<QString>("golden");
        QTest::addColumn<bool>("oneAtATime");
        QTest::newRow("sequential") << "llama" << false;
        QTest::newRow("sequential, one at a time") << "llama" << true;
        QTest::newRow("parallel") << "stablelm_parallel" << false;
        QTest::newRow("mixture of experts") << "qwen2_moe" << false;
        QTest::newRow("fused and transposed") << "gpt2" << false;
    }

    void equalsRunningTheWholeModelForEach() {
        QFETCH(QString, golden);
        QFETCH(bool, oneAtATime);
        const std::string name = golden.toStdString();
        const auto model = openCase(name);
        const auto backend = makeCpuBackend(2);
        const auto weights = modelWeights(*model);
        const TokenWindows tokens = windowsOf(name);
        const auto linears = linearsOf(model->spec());
        QVERIFY(linears.size() >= 8);
        // In another order than the model's: results belong to the change, not to the turn.
        std::vector<LinearChange> changes;
        for (size_t i = linears.size(); i-- > 0;) {
            changes.push_back(coarseChange(weights, *linears[i]));
            changes.back().inputs = roundedInputs(i);
        }
        EvaluateOptions options;
        if (oneAtATime) options.activationBudgetBytes = 1; // and then in scratch files
        std::set<size_t> told;
        const auto effects =
            measureChanges(model->spec(), *weights, changes, tokens, options, *backend, {},
                           [&](size_t change, const ChangeEffect&) { QVERIFY(told.insert(change).second); });
        QS_VERIFY_OK(effects);
        QCOMPARE(told.size(), changes.size());
        QCOMPARE(effects->effects.size(), changes.size());
        double largest = 0;
        for (size_t i = 0; i < linears.size(); ++i) {
            const OneCoarse one(weights, linears[i]->weight, roundedInputs(i));
            const auto direct = evaluate(model->spec(), one, weights.get(), tokens, {}, *backend, {});
            QS_VERIFY_OK(direct);
            const ChangeEffect& effect = effects->effects[linears.size() - 1 - i];
            QVERIFY2(std::fabs(effect.kl - direct->kl) <= 1e-7, linears[i]->module.c_str());
            QVERIFY(std::fabs(effect.loss - direct->nll) <= 1e-6);
            QVERIFY(std::fabs(effect.klStderr - direct->klStderr) <= 1e-7);
            QVERIFY(std::fabs(effects->loss - direct->referenceNll) <= 1e-6);
            QCOMPARE(effects->tokens, direct->tokens);
            QCOMPARE(effects->protocol, direct->protocol);
            largest = std::max(largest, direct->kl);
        }
        QVERIFY(largest > 1e-4); // coarse values matter
    }

    void unchangedValuesDoNothing() {
        const auto model = openCase("llama");
        const auto backend = makeCpuBackend(2);
        const auto weights = modelWeights(*model);
        const LinearSpec& l = *linearsOf(model->spec()).front();
        const LinearChange same{l.module, [&](const JobContext&) { return weights->matrix(l.weight); }};
        const auto effects =
            measureChanges(model->spec(), *weights, {&same, 1}, windowsOf("llama"), {}, *backend, {});
        QS_VERIFY_OK(effects);
        QVERIFY(effects->effects[0].kl <= 1e-12);
        QVERIFY(std::fabs(effects->effects[0].loss - effects->loss) <= 1e-12);
    }

    void refuses() {
        const auto model = openCase("llama");
        const auto backend = makeCpuBackend(2);
        const auto weights = modelWeights(*model);
        const auto ask = [&](const LinearChange& change, const JobContext& job = {}) {
            return measureChanges(model->spec(), *weights, {&change, 1}, windowsOf("llama"), {}, *backend,
                                  job);
        };
        const LinearSpec& l = *linearsOf(model->spec()).front();
        const auto unknown = ask({"layers.99.mlp.up_proj", {}});
        QVERIFY(!unknown && unknown.error().describe().find("layers.99.mlp.up_proj") != std::string::npos);
        const auto shape = ask({l.module, [](const JobContext&) -> Result<Matrix> { return Matrix(2, 3); }});
        QVERIFY(!shape && shape.error().describe().find("[2, 3]") != std::string::npos);
        const auto failing = ask(
            {l.module, [](const JobContext&) -> Result<Matrix> { return Error::invalid("no such values"); }});
        QVERIFY(!failing && failing.error().describe().find("no such values") != std::string::npos);
        std::stop_source stop;
        stop.request_stop();
        const auto cancelled = ask(coarseChange(weights, l), JobContext(stop.get_token()));
        QVERIFY(!cancelled && cancelled.error().code == ErrorCode::Cancelled);
    }
};

QS_TEST(ChangedLinearsTest)
#include "tst_changed_linears.moc"
