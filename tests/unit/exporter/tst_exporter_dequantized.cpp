// SPDX-License-Identifier: Apache-2.0
#include "core/export/dequantized_format.h"
#include "core/export/verify.h"
#include "core/model/packed/packed_linear.h"
#include "tests/support/gguf_llama.h"
#include "tests/unit/exporter/export_fixture.h"

#include <cstring>

using namespace qs;
using namespace qs::test;

namespace {

const SchemeOf kMixed = [](const QuantTarget& t) -> std::optional<Scheme> {
    if (t.role == "o") return std::nullopt;
    if (t.role == "down") return intScheme({{"bits", 3}, {"group", -1}, {"scale_dtype", "f32"}});
    return intScheme({{"bits", 4}, {"group", 32}});
};

ExportSource dequantizedSource(Fixture& f, const SchemeOf& schemes, const char* dtype,
                               bool actOrder = false) {
    ExportSource s = sourceFor(f, schemes, actOrder);
    const auto exporter = findExporter("dequantized");
    s.params = *Params::fromJson((*exporter)->params, {{"dtype", dtype}}, "test");
    return s;
}

struct Written {
    std::filesystem::path folder;
    Receipt receipt;
    std::shared_ptr<const Checkpoint> checkpoint;
};

Result<Written> writeAndVerify(const ExportSource& s, const char* name) {
    Written w;
    w.folder = scratchDir(name);
    QS_CHECK(writeDequantized(s, w.folder, JobContext()));
    QS_TRY(w.receipt, verifyDequantized(s, w.folder, JobContext()));
    QS_TRY(w.checkpoint, openCheckpoint(w.folder));
    return w;
}

/// Flips one bit of a tensor's first byte inside the file.
void damage(const Written& w, const std::string& tensor) {
    const size_t i = w.checkpoint->find(tensor);
    const auto bytes = w.checkpoint->rawBytes(i);
    const auto file = w.folder / w.checkpoint->tensors()[i].file;
    const std::string whole = readAll(file);
    const size_t at = whole.find(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
    QVERIFY(at != std::string::npos);
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(std::streamoff(at));
    out.put(char(whole[at] ^ 4));
}

} // namespace

class Exporter_dequantized : public QObject {
    Q_OBJECT
private slots:
    void shardsOfAGivenSize() {
        Fixture f;
        f.model = *openModel(sampleModel());
        ExportSource s = dequantizedSource(
            f,
            [](const QuantTarget&) {
                return intScheme({{"group", 32}});
            },
            "source");
        const auto exporter = findExporter("dequantized");
        s.params = *Params::fromJson((*exporter)->params, {{"shard_mb", 2}}, "test");
        const auto w = writeAndVerify(s, "shards");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        size_t shards = 0;
        for (const auto& [name, hash] : w->receipt.files) {
            if (!name.ends_with(".safetensors")) continue;
            ++shards;
            QVERIFY(std::filesystem::file_size(w->folder / name) < 2'100'000);
        }
        QCOMPARE(shards, size_t(4)); // 6.8 MB
        QVERIFY(std::filesystem::exists(w->folder / "model.safetensors.index.json"));
        QCOMPARE(w->checkpoint->tensors().size(), f.model->checkpoint().tensors().size());
    }

    void valuesAreTheRunsRounded_data();
    void valuesAreTheRunsRounded();
    void everythingElseIsUnchanged();
    void shardsStay();
    void fromAGguf();
    void changedTypeIsInTheConfig();
    void actOrderAndPerTensorScale();
    void roundingThatMergesCodesIsCounted();
    void damageIsFound();
    void tooLargeForF16();
    void lint();
    void cancelled();
};

void Exporter_dequantized::valuesAreTheRunsRounded_data() {
    QTest::addColumn<int>("sourceType");
    QTest::addColumn<QString>("dtype");
    QTest::addColumn<int>("written");
    const int f32 = int(DType::F32), f16 = int(DType::F16), bf16 = int(DType::BF16);
    QTest::newRow("F16 as source") << f16 << "source" << f16;
    QTest::newRow("BF16 as source") << bf16 << "source" << bf16;
    QTest::newRow("F32 as source") << f32 << "source" << f32;
    QTest::newRow("F16 to f32") << f16 << "f32" << f32;
    QTest::newRow("F32 to f16") << f32 << "f16" << f16;
    QTest::newRow("F16 to bf16") << f16 << "bf16" << bf16;
}

void Exporter_dequantized::valuesAreTheRunsRounded() {
    QFETCH(int, sourceType);
    QFETCH(QString, dtype);
    QFETCH(int, written);
    Fixture f = makeFixture(DType(sourceType));
    const ExportSource s = dequantizedSource(f, kMixed, qPrintable(dtype));
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    QCOMPARE(w->receipt.bytesPlanned, w->receipt.bytesWritten);
    QCOMPARE(uint64_t(std::filesystem::file_size(w->folder / "model.safetensors")), w->receipt.bytesPlanned);
    double largest = 0;
    for (const PlanEntry& e : s.plan.entries) {
        if (!e.scheme) continue;
        const QuantizedTensor& q = f.tensors.at(e.target.module);
        const size_t i = w->checkpoint->find(e.target.place.tensor);
        QVERIFY(i != Checkpoint::npos);
        QCOMPARE(int(w->checkpoint->tensors()[i].dtype), written);
        const auto values = w->checkpoint->readMatrix(i);
        QS_VERIFY_OK(values);
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < q.cols; ++c) {
                const float exact = valueAt(q, r, c);
                const float expected = written == int(DType::F16)    ? halfToFloat(floatToHalf(exact))
                                       : written == int(DType::BF16) ? bfloatToFloat(floatToBfloat(exact))
                                                                     : exact;
                QVERIFY((*values)(r, c) == expected);
                largest = std::max(largest, std::abs(double(expected) - double(exact)));
            }
    }
    QCOMPARE(w->receipt.maxDelta, largest);
    QCOMPARE(largest == 0, written == int(DType::F32));
}

void Exporter_dequantized::everythingElseIsUnchanged() {
    Fixture f = makeFixture();
    const ExportSource s = dequantizedSource(f, kMixed, "source");
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    const Checkpoint& original = f.model->checkpoint();
    QCOMPARE(w->checkpoint->tensors().size(), original.tensors().size());
    size_t kept = 0;
    for (const TensorInfo& t : original.tensors()) {
        bool quantized = false;
        for (const PlanEntry& e : s.plan.entries)
            quantized = quantized || (e.scheme && e.target.place.tensor == t.name);
        if (quantized) continue;
        ++kept;
        QVERIFY2(sameTensor(original, *w->checkpoint, t.name), t.name.c_str());
    }
    QCOMPARE(kept, size_t(3 + 3 + 2 * 4)); // embedding, norm, head; extras; per block 2 norms, bias, o
    for (const char* name : {"config.json", "special_tokens_map.json", "generation_config.json"})
        QCOMPARE(readAll(w->folder / name), readAll(f.folder / name));
    QCOMPARE(readAll(w->folder / "quantoscope.json"), s.sidecar);
    QVERIFY(readAll(w->folder / "model.safetensors").find("\"quantoscope_plan\":\"abc\"") !=
            std::string::npos);
    QVERIFY(!std::filesystem::exists(w->folder / "model.safetensors.index.json"));
    const auto reopened = openModel(w->folder);
    QS_VERIFY_OK(reopened);
    QVERIFY((*reopened)->hasForward());
}

void Exporter_dequantized::shardsStay() {
    Fixture f = makeFixture(DType::BF16, true);
    const ExportSource s = dequantizedSource(f, kMixed, "source");
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    uint64_t bytes = 0;
    for (const TensorInfo& t : f.model->checkpoint().tensors()) {
        const size_t i = w->checkpoint->find(t.name);
        QVERIFY(i != Checkpoint::npos);
        QCOMPARE(w->checkpoint->tensors()[i].file, t.file);
        bytes += t.bytes;
    }
    const auto index = nlohmann::json::parse(readAll(w->folder / "model.safetensors.index.json"));
    QCOMPARE(index.at("metadata").at("total_size").get<uint64_t>(), bytes);
    QCOMPARE(index.at("weight_map").size(), f.model->checkpoint().tensors().size());
    QCOMPARE(w->receipt.bytesPlanned,
             uint64_t(std::filesystem::file_size(w->folder / "model-00001-of-00002.safetensors") +
                      std::filesystem::file_size(w->folder / "model-00002-of-00002.safetensors")));
}

// What is kept is written as the float32 values that its blocks stand for, in the original's layout.
void Exporter_dequantized::fromAGguf() {
    Fixture f = makeFixture();
    const auto path = scratchDir("gguf-source") / "m.gguf";
    llamaGguf(f.model->checkpoint(), kGgmlQ8_0).write(path);
    const auto model = openModel(path);
    QS_VERIFY_OK(model);
    f.model = *model;
    const auto w = writeAndVerify(dequantizedSource(f, kMixed, "source"), "from-gguf");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, firstDifference(w->receipt).c_str());
    QCOMPARE(w->checkpoint->tensors().size(), (*model)->checkpoint().tensors().size());
    for (const char* name : {"model.embed_tokens.weight", "model.layers.1.self_attn.o_proj.weight",
                             "model.layers.0.input_layernorm.weight"}) {
        QCOMPARE(w->checkpoint->tensors()[w->checkpoint->find(name)].dtype, DType::F32);
        const auto have = w->checkpoint->readMatrix(name), want = (*model)->checkpoint().readMatrix(name);
        QS_VERIFY_OK(have);
        QS_VERIFY_OK(want);
        QVERIFY(std::memcmp(have->data(), want->data(), want->size() * sizeof(float)) == 0);
    }
    QCOMPARE(w->checkpoint->config(), (*model)->checkpoint().config());
}

void Exporter_dequantized::changedTypeIsInTheConfig() {
    Fixture f = makeFixture();
    const ExportSource s = dequantizedSource(f, kMixed, "bf16");
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    auto expected = nlohmann::json::parse(readAll(f.folder / "config.json"));
    expected["torch_dtype"] = "bfloat16";
    QVERIFY(nlohmann::json::parse(readAll(w->folder / "config.json")) == expected);
    // Embedding and norms keep their bytes.
    QVERIFY(sameTensor(f.model->checkpoint(), *w->checkpoint, "model.embed_tokens.weight"));
}

void Exporter_dequantized::actOrderAndPerTensorScale() {
    for (int group : {0, 16}) {
        Fixture f = makeFixture();
        const auto schemes = [&](const QuantTarget&) { return intScheme({{"bits", 5}, {"group", group}}); };
        const ExportSource s = dequantizedSource(f, schemes, "f32", true);
        const auto w = writeAndVerify(s, "deq-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        const QuantizedTensor& q = f.tensors.at("layers.1.mlp.down_proj");
        const auto values = w->checkpoint->readMatrix("model.layers.1.mlp.down_proj.weight");
        QS_VERIFY_OK(values);
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < q.cols; ++c)
                QVERIFY((*values)(r, c) == valueAt(q, r, c));
    }
}

// 8 bits from a zero point at the end: values up to 255 steps, while bf16 has 8 significant bits.
void Exporter_dequantized::roundingThatMergesCodesIsCounted() {
    Fixture f = makeFixture();
    const auto schemes = [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.module != "layers.0.mlp.down_proj") return std::nullopt;
        return intScheme({{"bits", 8}, {"group", -1}});
    };
    const ExportSource s = dequantizedSource(f, schemes, "bf16");
    QuantizedTensor& q = f.tensors.at("layers.0.mlp.down_proj");
    std::fill_n(q.zero.data(), q.zero.size(), 0.0f);
    uint64_t expected = 0;
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t c = 0; c < q.cols; ++c) {
            const float stored = bfloatToFloat(floatToBfloat(valueAt(q, r, c)));
            expected +=
                std::min(std::nearbyint(stored / q.scale(r, 0)), 255.0f) != float(q.codes[r * q.cols + c]);
        }
    QVERIFY(expected > 0);
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    uint64_t counted = 0;
    for (const ReceiptLine& line : w->receipt.lines)
        counted += line.codesDiffering;
    QCOMPARE(counted, expected);
}

void Exporter_dequantized::damageIsFound() {
    for (const char* tensor : {"model.layers.0.mlp.down_proj.weight", "model.norm.weight", "extra.table"}) {
        Fixture f = makeFixture();
        const ExportSource s = dequantizedSource(f, kMixed, "source");
        const auto w = writeAndVerify(s, "deq-out");
        QS_VERIFY_OK(w);
        QVERIFY(w->receipt.verified);
        damage(*w, tensor);
        const auto again = verifyDequantized(s, w->folder, JobContext());
        QS_VERIFY_OK(again);
        QVERIFY2(!again->verified, tensor);
        QVERIFY2(firstDifference(*again).find(tensor) != std::string::npos, again->summary().c_str());
    }
    Fixture f = makeFixture();
    const ExportSource s = dequantizedSource(f, kMixed, "source");
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    std::ofstream(w->folder / "config.json") << "{\"model_type\": \"llama\"}";
    const auto again = verifyDequantized(s, w->folder, JobContext());
    QS_VERIFY_OK(again);
    QVERIFY(!again->verified);
    QVERIFY(firstDifference(*again).find("config.json") != std::string::npos);
}

void Exporter_dequantized::tooLargeForF16() {
    Fixture f = makeFixture();
    const auto schemes = [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role != "down") return std::nullopt;
        return intScheme({{"bits", 4}, {"group", -1}, {"scale_dtype", "f32"}});
    };
    const ExportSource s = dequantizedSource(f, schemes, "source");
    QuantizedTensor& q = f.tensors.at("layers.1.mlp.down_proj");
    q.scale(3, 0) = 20000;
    q.zero(3, 0) = 0;
    q.codes[3 * q.cols + 5] = 15; // 300000 > 65504
    const auto w = writeDequantized(s, scratchDir("deq-out"), JobContext());
    QVERIFY(!w);
    QVERIFY2(w.error().describe().find("does not fit in F16") != std::string::npos,
             w.error().describe().c_str());
}

void Exporter_dequantized::lint() {
    Fixture f = makeFixture();
    const auto none = lintDequantized(*f.model, planFor(f, [](const auto&) { return std::nullopt; }));
    QVERIFY(hasRule(none, "nothing-quantized", Severity::Warning));
    QVERIFY(lintDequantized(*f.model, planFor(f, kMixed)).empty());
    Plan packed = planFor(f, kMixed);
    packed.entries[3].target.packed = std::make_shared<const PackedInfo>();
    QVERIFY(hasRule(lintDequantized(*f.model, packed), "source-packed", Severity::Error));
}

void Exporter_dequantized::cancelled() {
    Fixture f = makeFixture();
    const ExportSource s = dequantizedSource(f, kMixed, "source");
    std::stop_source stop;
    stop.request_stop();
    QVERIFY(writeDequantized(s, scratchDir("deq-cancel"), JobContext(stop.get_token())).isCancelled());
    const auto w = writeAndVerify(s, "deq-out");
    QS_VERIFY_OK(w);
    QVERIFY(verifyDequantized(s, w->folder, JobContext(stop.get_token())).isCancelled());
}

QS_TEST(Exporter_dequantized)
#include "tst_exporter_dequantized.moc"
