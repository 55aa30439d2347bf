// SPDX-License-Identifier: Apache-2.0
// Weights that lie in fused or transposed tensors are quantized as the linears they are and written back
// where they came from.
#include "core/export/exporter.h"
#include "core/run/run.h"
#include "tests/unit/architecture/golden_case.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

struct Exported {
    std::shared_ptr<const Model> source, written;
    std::shared_ptr<const WeightSource> run;
};

/// The golden model, quantized with 8 bits where `schemes` says so, exported in float32 and reopened.
Result<Exported> exportGolden(const std::string& name, const SchemeOf& schemes) {
    Exported e;
    Fixture f;
    f.folder = goldenCase(name);
    QS_TRY(f.model, openModel(f.folder));
    QS_CHECK(f.model->requireForward());
    e.source = f.model;
    QS_TRY(const auto backend, makeBackend("cpu"));
    RunOptions options;
    options.directory = scratchDir("architecture-run");
    QS_TRY(const auto run,
           executePlan(*f.model, planFor(f, schemes), nullptr, options, *backend, JobContext()));
    QS_TRY(e.run, runWeights(run, f.model));
    QS_TRY(const auto exporter, findExporter("dequantized"));
    QS_TRY(const Params params, Params::fromJson(exporter->params, {{"dtype", "f32"}}, "test"));
    const auto target = scratchDir("architecture-export") / "model";
    QS_TRY(const Receipt receipt, exportRun("dequantized", {f.model, run, target, params}, JobContext()));
    if (!receipt.verified) return Error::corrupt(receipt.summary(), name);
    QS_TRY(e.written, openModel(target));
    return e;
}

Result<Matrix> goldenLogits(const std::string& name, const Model& model, const WeightSource& weights) {
    QS_CHECK(model.requireForward());
    const auto backend = makeCpuBackend();
    return computeLogits(model.spec(), weights, goldenTokens(name), *backend, {});
}

Scheme eightBits() {
    return intScheme({{"bits", 8}, {"group", -1}, {"scale_dtype", "f32"}});
}

} // namespace

class ExportArchitectures : public QObject {
    Q_OBJECT
private slots:
    void logitsAreTheRuns_data();
    void logitsAreTheRuns();
    void neighboursInAFusedTensorStay_data();
    void neighboursInAFusedTensorStay();
};

void ExportArchitectures::logitsAreTheRuns_data() {
    QTest::addColumn<QString>("name");
    for (const char* name :
         {"gpt2", "gpt_neox", "falcon_7b", "falcon_40b", "opt", "phi3_longrope", "stablelm_parallel"})
        QTest::newRow(name) << name;
}

void ExportArchitectures::logitsAreTheRuns() {
    QFETCH(QString, name);
    const std::string model = name.toStdString();
    const auto e = exportGolden(model, [](const QuantTarget&) { return eightBits(); });
    QS_VERIFY_OK(e);
    const auto ofRun = goldenLogits(model, *e->source, *e->run);
    QS_VERIFY_OK(ofRun);
    const auto ofFile = goldenLogits(model, *e->written, *modelWeights(*e->written));
    QS_VERIFY_OK(ofFile);
    const auto expected = readNpyFloat(goldenCase(model) / "logits.npy");
    QS_VERIFY_OK(expected);
    const double error = largestDifference(ofFile->span(), ofRun->span()),
                 quantization = largestDifference(ofRun->span(), expected->values);
    QVERIFY2(error <= 1e-5, qPrintable(QString::number(error)));
    // 8 bits move the logits, by little: a weight in the wrong place would move them by units.
    QVERIFY2(quantization > 1e-3 && quantization < 0.5, qPrintable(QString::number(quantization)));
}

void ExportArchitectures::neighboursInAFusedTensorStay_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("tensor");
    QTest::newRow("transposed") << "gpt2"
                                << "h.1.attn.c_attn.weight";
    QTest::newRow("interleaved") << "gpt_neox"
                                 << "gpt_neox.layers.1.attention.query_key_value.weight";
}

void ExportArchitectures::neighboursInAFusedTensorStay() {
    QFETCH(QString, name);
    QFETCH(QString, tensor);
    const auto e = exportGolden(name.toStdString(), [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role != "k") return std::nullopt;
        return eightBits();
    });
    QS_VERIFY_OK(e);
    const Checkpoint &before = e->source->checkpoint(), &after = e->written->checkpoint();
    QCOMPARE(before.tensors().size(), after.tensors().size());
    size_t changed = 0;
    for (const TensorInfo& t : before.tensors()) {
        const auto a = before.rawBytes(before.find(t.name)), b = after.rawBytes(after.find(t.name));
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(b);
        changed += !std::equal(a->begin(), a->end(), b->begin(), b->end());
    }
    QCOMPARE(changed, size_t(2)); // the fused tensor of each block
    for (const QuantTarget& target : e->source->targets()) {
        if (target.place.tensor != tensor.toStdString()) continue;
        const auto was = e->source->readTarget(target);
        const auto is = e->written->readTarget(*e->written->findTarget(target.module));
        QS_VERIFY_OK(was);
        QS_VERIFY_OK(is);
        const double moved = largestDifference(was->span(), is->span());
        QVERIFY2(target.role == "k" ? moved > 0 : moved == 0, target.module.c_str());
    }
}

QS_TEST(ExportArchitectures)
#include "tst_export_architectures.moc"
