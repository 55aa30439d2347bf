// SPDX-License-Identifier: Apache-2.0
// A tiny Llama stored in each layout does what its twin with plain float32 weights does. Both were written by
// tests/golden/gen/packed_layouts.py.
#include "core/metrics/channel_stats.h"
#include "core/model/forward.h"
#include "core/model/weights.h"
#include "core/recipe/recipe.h"
#include "tests/unit/packed/packed_fixture.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

namespace {

/// The plain twin, with its inputs rounded as those of the packed model are (see tst_packed_inputs.cpp).
class Twin final : public WeightSource {
public:
    Twin(std::shared_ptr<const Checkpoint> plain, std::shared_ptr<const RowRounder> rounder,
         const Model& model)
        : plain_(checkpointWeights(std::move(plain))), rounder_(std::move(rounder)), model_(model) {}
    Result<Matrix> matrix(const std::string& name) const override { return plain_->matrix(name); }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& name) const override {
        for (const QuantTarget& t : model_.targets())
            if (t.weight == name) return rounder_;
        return std::shared_ptr<const RowRounder>();
    }
    std::string fingerprint() const override { return plain_->fingerprint(); }
    std::string label() const override { return plain_->label(); }

private:
    std::shared_ptr<const WeightSource> plain_;
    std::shared_ptr<const RowRounder> rounder_;
    const Model& model_;
};

/// Inputs of weights in FP8 blocks of 20 x 16.
std::shared_ptr<const RowRounder> inputsOf(const QString& name) {
    if (name != "fp8_block") return nullptr;
    const CodecDescriptor* d = *findCodec("float");
    return std::make_shared<const RowRounder>(
        *d->create(*Params::fromJson(d->params, {{"format", "e4m3"}, {"group", 16}}, "test")));
}

} // namespace

class PackedModels : public QObject {
    Q_OBJECT

    static void everyLayout() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gptq_v1_act_order", "gptq_v2_3bit", "awq", "ct_pack", "ct_int", "ct_float",
                                 "ct_fp4", "bnb_nf4", "bnb_nf4_double", "fp8_block"})
            QTest::newRow(name) << name;
    }
    static std::filesystem::path folder(const QString& name) {
        return packedGolden("models/" + name.toStdString());
    }

private slots:
    void sameLogits_data() { everyLayout(); }
    void sameLogits();
    void targetsSayHowTheyAreStored_data() { everyLayout(); }
    void targetsSayHowTheyAreStored();
    void quantizingAgainIsRefused();
    void withoutArchitecture();
};

void PackedModels::sameLogits() {
    QFETCH(QString, name);
    const auto model = openModel(folder(name));
    QS_VERIFY_OK(model);
    QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
    const auto plain = openCheckpoint(folder(name) / "plain.safetensors");
    QS_VERIFY_OK(plain);
    const auto backend = makeCpuBackend();
    std::vector<int32_t> tokens(48);
    for (size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = int32_t(i * 17 % 41);
    const ModelSpec& spec = (*model)->spec();
    const auto have =
        computeLogits(spec, *checkpointWeights((*model)->checkpointPtr()), tokens, *backend, {});
    const auto want = computeLogits(spec, Twin(*plain, inputsOf(name), **model), tokens, *backend, {});
    QS_VERIFY_OK(have);
    QS_VERIFY_OK(want);
    double worst = 0, spread = 0;
    for (size_t i = 0; i < want->size(); ++i) {
        const double d = std::fabs(double(have->data()[i]) - double(want->data()[i]));
        if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
        spread = std::max(spread, std::fabs(double(want->data()[i])));
    }
    qInfo("largest logit %.3g, largest difference %.3g", spread, worst);
    QVERIFY(spread > 0.5);
    QVERIFY(worst <= 1e-5);
}

void PackedModels::targetsSayHowTheyAreStored() {
    QFETCH(QString, name);
    const auto model = openModel(folder(name));
    QS_VERIFY_OK(model);
    const auto plain = openCheckpoint(folder(name) / "plain.safetensors");
    QS_VERIFY_OK(plain);
    QCOMPARE((*model)->targets().size(), size_t(7));
    for (const QuantTarget& t : (*model)->targets()) {
        QVERIFY(t.packed && t.place.kind == WeightPlace::Kind::Packed);
        QCOMPARE(t.packed->out, t.rows);
        QCOMPARE(t.packed->in, t.cols);
        QVERIFY(!t.role.empty() && t.packed->bitsPerWeight() >= t.packed->bits);
        const auto rows = [&](uint64_t first, MatrixView out) {
            return (*model)->readTargetRows(t, first, out);
        };
        const auto stats = tensorStats(t.rows, t.cols, rows, 64, {});
        QS_VERIFY_OK(stats);
        const auto values = (*plain)->readMatrix(t.weight);
        QS_VERIFY_OK(values);
        const auto want = tensorStats(values->view(), 64, {});
        QS_VERIFY_OK(want);
        QCOMPARE(stats->absmax, want->absmax);
        QCOMPARE(stats->stddev, want->stddev);
        QVERIFY(stats->histogram.counts == want->histogram.counts);
    }
    const Plan plan = planFromSchemes({}, **model, 0);
    uint64_t bytes = 0;
    for (const PlanEntry& e : plan.entries)
        bytes += e.bytesBefore;
    QVERIFY(bytes > 0 && bytes < (*model)->checkpoint().totalBytes());
    QCOMPARE(plan.totalBytesAfter, plan.totalBytesBefore);
    QVERIFY(!plan.hasErrors());
}

void PackedModels::quantizingAgainIsRefused() {
    const auto model = openModel(folder("awq"));
    QS_VERIFY_OK(model);
    const auto scheme = Scheme::make("int", "rtn");
    QS_VERIFY_OK(scheme);
    const Plan plan = planFromSchemes({*scheme}, **model, 0);
    QCOMPARE(plan.issues.size(), size_t(2)); // and q, k, v differ
    QCOMPARE(plan.issues[0].rule, std::string("already-quantized"));
    QVERIFY(plan.issues[0].message.find("AWQ 4-bit, group 32, asymmetric") != std::string::npos);
}

// Tensor-level mode: packed modules are targets, their parts (an F16 matrix of scales among them) are not.
void PackedModels::withoutArchitecture() {
    const auto model = openModel(packedGolden("linears/awq"));
    QS_VERIFY_OK(model);
    QVERIFY(!(*model)->hasForward());
    std::vector<std::string> modules;
    for (const QuantTarget& t : (*model)->targets()) {
        modules.push_back(t.module);
        QCOMPARE(bool(t.packed), t.module != "model.plain");
    }
    std::sort(modules.begin(), modules.end());
    QCOMPARE(modules, (std::vector<std::string>{"model.lin", "model.odd", "model.plain"}));
}

QS_TEST(PackedModels)
#include "tst_packed_models.moc"
