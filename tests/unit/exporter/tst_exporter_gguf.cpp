// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_set.h"
#include "core/evaluate/evaluate.h"
#include "core/export/gguf_format.h"
#include "core/export/gguf_metadata.h"
#include "core/run/run.h"
#include "tests/unit/architecture/golden_case.h"
#include "tests/unit/exporter/export_fixture.h"

#include <cstring>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const SchemeOf kNone = [](const QuantTarget&) { return std::nullopt; };

Params ggufParams(json object) {
    const auto exporter = findExporter("gguf");
    return *Params::fromJson((*exporter)->params, object, "test");
}

ExportSource ggufSource(Fixture& f, const SchemeOf& schemes, json params = json::object(),
                        bool actOrder = false) {
    ExportSource s = sourceFor(f, schemes, actOrder);
    s.params = ggufParams(std::move(params));
    return s;
}

struct Written {
    fs::path folder;
    Receipt receipt;
    std::shared_ptr<const Model> model;
    std::shared_ptr<const GgufSet> set;
};

Result<Written> writeAndVerify(const ExportSource& s, const char* name) {
    Written w;
    w.folder = scratchDir(name);
    QS_TRY(const uint64_t planned, ggufBytes(s));
    QS_CHECK(writeGgufFolder(s, w.folder, JobContext()));
    QS_TRY(w.receipt, verifyGguf(s, w.folder, JobContext()));
    if (w.receipt.bytesWritten != planned) return Error::internal("planned size is not the written one");
    QS_TRY(w.model, openModel(w.folder));
    for (fs::directory_iterator it(w.folder), end; it != end && !w.set; ++it)
        if (it->path().extension() == ".gguf") {
            QS_TRY(w.set, GgufSet::open(it->path()));
        }
    return w;
}

Fixture goldenFixture(const std::string& name) {
    Fixture f;
    f.folder = goldenCase(name);
    const auto model = openModel(f.folder);
    if (!model) qFatal("%s", model.error().describe().c_str());
    f.model = *model;
    return f;
}

Result<Matrix> logitsOf(const Model& model, const WeightSource& weights, std::span<const int32_t> tokens) {
    QS_CHECK(model.requireForward());
    const auto backend = makeCpuBackend();
    return computeLogits(model.spec(), weights, {tokens.begin(), tokens.end()}, *backend, {});
}

Scheme intOf(int bits, int group, const char* grid = "symmetric") {
    return intScheme({{"bits", bits}, {"group", group}, {"grid", grid}});
}

std::string typeOf(const Written& w, const std::string& tensor) {
    const size_t i = w.set->find(tensor);
    return i == GgufSet::npos ? "absent" : std::string(w.set->tensors()[i].info.type->name);
}

std::span<const std::byte> bytesOfTensor(const Written& w, const std::string& tensor) {
    const auto bytes = w.set->bytes(w.set->find(tensor));
    if (!bytes) qFatal("%s", bytes.error().describe().c_str());
    return *bytes;
}

uint16_t wordAt(std::span<const std::byte> bytes, size_t at) {
    uint16_t v = 0;
    std::memcpy(&v, bytes.data() + at, 2);
    return v;
}

/// A GPT-2 (weights stored [in, out], q, k and v in one) whose rows are whole blocks.
Fixture makeGpt2() {
    Fixture f;
    f.folder = scratchDir("gguf-gpt2");
    std::vector<SafetensorsItem> items;
    unsigned seed = 50;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
        items.push_back(randomItem(name, DType::F32, std::move(shape), seed++));
    };
    add("wte.weight", {40, 32});
    add("wpe.weight", {24, 32});
    const std::pair<const char*, std::vector<uint64_t>> parts[] = {
        {"ln_1.weight", {32}},      {"ln_1.bias", {32}},        {"attn.c_attn.weight", {32, 96}},
        {"attn.c_attn.bias", {96}}, {"attn.c_proj.bias", {32}}, {"attn.c_proj.weight", {32, 32}},
        {"ln_2.weight", {32}},      {"ln_2.bias", {32}},        {"mlp.c_fc.weight", {32, 64}},
        {"mlp.c_fc.bias", {64}},    {"mlp.c_proj.bias", {32}},  {"mlp.c_proj.weight", {64, 32}}};
    for (const auto& [name, shape] : parts)
        add(std::string("h.0.") + name, shape);
    add("ln_f.weight", {32});
    add("ln_f.bias", {32});
    const auto written = writeSafetensors(f.folder / "model.safetensors", items, {});
    if (!written) qFatal("%s", written.error().describe().c_str());
    std::ofstream(f.folder / "config.json")
        << R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 32, "n_inner": 64,
               "n_layer": 1, "n_head": 2, "n_positions": 24, "vocab_size": 40, "layer_norm_epsilon": 1e-5})";
    auto model = openModel(f.folder);
    if (!model) qFatal("%s", model.error().describe().c_str());
    f.model = *model;
    return f;
}

/// Every linear whose rows are whole blocks in 8 bits, through a real run and the registry's exporter; the
/// logits of the file against those of the run.
double quantizedDifference(const Fixture& f, const std::vector<int32_t>& tokens, size_t& quantized) {
    const Plan plan = planFor(f, [&](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.cols % 32 != 0) return std::nullopt;
        ++quantized;
        return intOf(8, 32);
    });
    const auto backend = makeCpuBackend();
    RunOptions options;
    options.directory = scratchDir("gguf-run");
    const auto run = executePlan(*f.model, plan, nullptr, options, *backend, JobContext());
    if (!run) qFatal("%s", run.error().describe().c_str());
    const auto target = scratchDir("gguf-quantized") / "made";
    const auto receipt =
        exportRun("gguf", {f.model, *run, target, ggufParams({{"kept", "f32"}})}, JobContext());
    if (!receipt) qFatal("%s", receipt.error().describe().c_str());
    const auto written = openModel(target);
    if (!written) qFatal("%s", written.error().describe().c_str());
    const auto weights = runWeights(*run, f.model);
    const auto ofRun = logitsOf(*f.model, **weights, tokens);
    const auto ofFile = logitsOf(**written, *modelWeights(**written), tokens);
    if (!ofRun || !ofFile) qFatal("no logits");
    return largestDifference(ofFile->span(), ofRun->span());
}

} // namespace

class Exporter_gguf : public QObject {
    Q_OBJECT

private slots:
    /// Names, orders, shifts, stacks and keys: read back, each model computes what it did (and what NumPy
    /// did, see the tests of the architectures). Gemma 2 and 3 have what llama.cpp takes for granted put in.
    void everyArchitecture_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("patch");
        for (const char* name : {"llama",         "llama_bias", "llama_linear",      "llama_llama3",
                                 "llama_v5",      "llama_yarn", "llama_longrope",    "mistral",
                                 "mixtral",       "qwen2",      "qwen2_moe",         "qwen3",
                                 "qwen3_moe",     "gemma",      "gemma_legacy",      "phi3",
                                 "phi3_longrope", "gpt2",       "gpt_neox",          "gpt_neox_sequential",
                                 "bloom",         "falcon_7b",  "falcon_11b",        "falcon_40b",
                                 "stablelm",      "bert",       "stablelm_parallel", "bert_legacy"})
            QTest::newRow(name) << name << QByteArray("{}");
        QTest::newRow("gemma2") << "gemma2" << QByteArray(R"({"query_pre_attn_scalar": 8})");
        QTest::newRow("gemma3") << "gemma3"
                                << QByteArray(R"({"query_pre_attn_scalar": 8, "sliding_window_pattern": 6,
                                                  "layer_types": null})");
        QTest::newRow("yarn with a factor of its own")
            << "llama_yarn" << QByteArray(R"({"rope_scaling": {"attention_factor": 1.5}})");
    }
    void everyArchitecture() {
        QFETCH(QString, name);
        QFETCH(QByteArray, patch);
        Fixture f;
        f.model = openCase(name.toStdString(), json::parse(patch.toStdString()));
        const ExportSource s = ggufSource(f, kNone);
        for (const LintIssue& i : lintGguf(*f.model, s.plan))
            QVERIFY2(i.severity != Severity::Error, i.message.c_str());
        const auto w = writeAndVerify(s, "gguf-architecture");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        if (!f.model->spec().causal) return; // llama.cpp's encoders have no head, so there are no logits
        const auto tokens = goldenTokens(name.toStdString());
        const auto logits = logitsOf(*w->model, *modelWeights(*w->model), tokens),
                   expected = logitsOf(*f.model, *modelWeights(*f.model), tokens);
        QS_VERIFY_OK(logits);
        QS_VERIFY_OK(expected);
        const double worst = largestDifference(logits->span(), expected->span());
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }

    void whatLlamaCppComputesOtherwiseIsRefused_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("words");
        QTest::newRow("dynamic") << "llama_dynamic"
                                 << "dynamic";
        QTest::newRow("bloom residual") << "bloom_post_norm"
                                        << "residual";
        QTest::newRow("falcon rw") << "falcon_rw"
                                   << "ALiBi";
        QTest::newRow("gpt2 scaling") << "gpt2_scaled"
                                      << "scaled";
        QTest::newRow("opt") << "opt"
                             << "no architecture 'opt'";
        QTest::newRow("qwen2 window") << "qwen2_sliding"
                                      << "sliding window";
        QTest::newRow("gemma2 scaling") << "gemma2"
                                        << "scaled";
        QTest::newRow("gemma3 pattern") << "gemma3"
                                        << "sliding window";
    }
    void whatLlamaCppComputesOtherwiseIsRefused() {
        QFETCH(QString, name);
        QFETCH(QString, words);
        Fixture f = goldenFixture(name.toStdString());
        std::string said;
        for (const LintIssue& i : lintGguf(*f.model, planFor(f, kNone)))
            if (i.severity == Severity::Error) said += i.message + "\n";
        QVERIFY2(QString::fromStdString(said).contains(words), said.c_str());
    }

    void integersBecomeBlocks_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::addColumn<QString>("type");
        QTest::newRow("4") << 4 << 32 << "Q4_0";
        QTest::newRow("5") << 5 << 32 << "Q5_0";
        QTest::newRow("8") << 8 << 32 << "Q8_0";
        QTest::newRow("channel") << 4 << -1 << "Q4_0";
        QTest::newRow("tensor") << 8 << 0 << "Q8_0";
    }
    void integersBecomeBlocks() {
        QFETCH(int, bits);
        QFETCH(int, group);
        QFETCH(QString, type);
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [&](const QuantTarget&) { return intOf(bits, group); });
        const auto w = writeAndVerify(s, "gguf-blocks");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->receipt.maxDelta, 0.0);
        QCOMPARE(typeOf(*w, "blk.1.ffn_down.weight"), type.toStdString());
        QCOMPARE(typeOf(*w, "token_embd.weight"), std::string("F16"));
        QCOMPARE(typeOf(*w, "blk.0.attn_norm.weight"), std::string("F32"));
        QCOMPARE(typeOf(*w, "blk.0.attn_q.bias"), std::string("F32"));
        for (const auto& [module, q] : f.tensors) {
            const auto values = w->model->readTarget(*w->model->findTarget(module));
            QS_VERIFY_OK(values);
            for (size_t r = 0; r < q.rows; ++r)
                for (size_t c = 0; c < q.cols; ++c)
                    QVERIFY2((*values)(r, c) == valueAt(q, r, c), module.c_str());
        }
    }

    /// Row 33 of q (head 1, value 1) is stored as row 34: pairs (0, 16), (1, 17), ... per head of 32.
    void codesLieWhereTheSpecificationSays() {
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "q") return intOf(4, 32);
            if (t.role == "up") return intOf(5, 32);
            if (t.role == "down") return intOf(8, 32);
            return std::nullopt;
        });
        const auto w = writeAndVerify(s, "gguf-layout");
        QS_VERIFY_OK(w);
        const QuantizedTensor& q = f.tensors.at("layers.0.self_attn.q_proj");
        const auto four = bytesOfTensor(*w, "blk.0.attn_q.weight").subspan((34 * 2 + 1) * 18, 18);
        QCOMPARE(halfToFloat(wordAt(four, 0)), q.scale(33, 1));
        for (size_t e = 0; e < 32; ++e) {
            const int byte = int(four[2 + e % 16]);
            QCOMPARE(e < 16 ? byte & 15 : byte >> 4, int(q.codes[33 * 64 + 32 + e]));
        }
        const QuantizedTensor& up = f.tensors.at("layers.1.mlp.up_proj");
        const auto five = bytesOfTensor(*w, "blk.1.ffn_up.weight").subspan((7 * 2) * 22, 22);
        QCOMPARE(halfToFloat(wordAt(five, 0)), up.scale(7, 0));
        const uint32_t high = wordAt(five, 2) | uint32_t(wordAt(five, 4)) << 16;
        for (size_t e = 0; e < 32; ++e) {
            const int byte = int(five[6 + e % 16]), low = e < 16 ? byte & 15 : byte >> 4;
            QCOMPARE(low + int(high >> e & 1) * 16, int(up.codes[7 * 64 + e]));
        }
        const QuantizedTensor& down = f.tensors.at("layers.0.mlp.down_proj");
        const auto eight = bytesOfTensor(*w, "blk.0.ffn_down.weight").subspan((5 * 3 + 2) * 34, 34);
        QCOMPARE(halfToFloat(wordAt(eight, 0)), down.scale(5, 2));
        for (size_t e = 0; e < 32; ++e)
            QCOMPARE(int(int8_t(eight[2 + e])), int(down.codes[5 * 96 + 64 + e]) - 128);
    }

    /// -d z must be an f16 value: with d a power of two it always is.
    void minimaThatFitAreTaken() {
        Fixture f = makeFixture(DType::F16);
        for (const auto& [bits, type, bytes] : {std::tuple(4, "Q4_1", 20), std::tuple(5, "Q5_1", 24)}) {
            ExportSource s =
                ggufSource(f, [b = bits](const QuantTarget&) { return intOf(b, 32, "asymmetric"); });
            QVERIFY(hasRule(lintGguf(*f.model, s.plan), "gguf-minimum", Severity::Warning));
            const auto refused = ggufBytes(s);
            QVERIFY(!refused);
            QVERIFY2(refused.error().describe().find("codec ggml") != std::string::npos &&
                         refused.error().describe().find("layers.0.") != std::string::npos,
                     refused.error().describe().c_str());
            for (auto& [module, q] : f.tensors)
                for (float& d : q.scale.span())
                    d = 0x1p-7f;
            const auto w = writeAndVerify(s, "gguf-minima");
            QS_VERIFY_OK(w);
            QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
            QCOMPARE(typeOf(*w, "blk.0.attn_v.weight"), std::string(type));
            const QuantizedTensor& v = f.tensors.at("layers.0.self_attn.v_proj");
            const auto block = bytesOfTensor(*w, "blk.0.attn_v.weight").subspan(size_t(bytes) * 5);
            QCOMPARE(halfToFloat(wordAt(block, 0)), 0x1p-7f);
            QCOMPARE(halfToFloat(wordAt(block, 2)), -0x1p-7f * v.zero(2, 1));
        }
    }

    void whatBlocksCannotHoldIsRefusedBeforeWriting() {
        Fixture f = makeFixture(DType::F16);
        const auto why = [&](const ExportSource& s) {
            const auto bytes = ggufBytes(s);
            return bytes ? QString("accepted") : QString::fromStdString(bytes.error().describe());
        };
        ExportSource s = ggufSource(
            f, [](const QuantTarget&) { return intOf(4, 32); }, json::object(), true);
        QVERIFY2(why(s).contains("act-order") && why(s).contains("layers.0"), qPrintable(why(s)));
        s = ggufSource(f, [](const QuantTarget&) { return intOf(4, 32); });
        f.tensors.at("layers.1.mlp.up_proj").scale(95, 1) = 0.1f;
        QVERIFY2(why(s).contains("layers.1.mlp.up_proj") && why(s).contains("row 95, group 1"),
                 qPrintable(why(s)));
        f.tensors.at("layers.1.mlp.up_proj").scale(95, 1) = 1e6f;
        QVERIFY(why(s).contains("row 95, group 1"));
        s = ggufSource(f, [](const QuantTarget&) { return intOf(4, 32); });
        f.tensors.at("layers.1.mlp.up_proj").zero(3, 0) = 7;
        QVERIFY2(why(s).contains("zero point 7"), qPrintable(why(s)));
    }

    void lintSaysWhatDoesNotFit() {
        Fixture f = makeFixture(DType::F16);
        const auto issues = [&](const SchemeOf& schemes) { return lintGguf(*f.model, planFor(f, schemes)); };
        QVERIFY(
            hasRule(issues([](const QuantTarget&) { return intOf(3, 32); }), "gguf-type", Severity::Error));
        QVERIFY(
            hasRule(issues([](const QuantTarget&) { return intOf(4, 16); }), "gguf-group", Severity::Error));
        const auto good = issues([](const QuantTarget&) { return intOf(4, 32); });
        QVERIFY(!hasRule(good, "gguf-type", Severity::Error));
        QVERIFY(hasRule(good, "gguf-left-out", Severity::Warning)); // the fixture's extra tensors
        QVERIFY(hasRule(good, "gguf-tokenizer", Severity::Warning));
        // Rows of 44 in the golden Llama: named, with what does fit.
        Fixture odd = goldenFixture("llama");
        const auto found =
            lintGguf(*odd.model, planFor(odd, [](const QuantTarget&) { return intOf(4, -1); }));
        const auto issue = std::find_if(found.begin(), found.end(), [](const LintIssue& i) {
            return i.rule == "gguf-type" && i.where == "layers.0.mlp.down_proj";
        });
        QVERIFY(issue != found.end());
        QVERIFY2(issue->message.find("44") != std::string::npos, issue->message.c_str());
    }

    void partsOfOneTensorMustAgree() {
        Fixture phi = goldenFixture("phi3");
        const auto rule = [&](const Fixture& f, const SchemeOf& schemes) {
            std::string said;
            for (const LintIssue& i : lintGguf(*f.model, planFor(f, schemes)))
                if (i.rule == "gguf-type") said += i.message;
            return said;
        };
        const auto qkv = [](const QuantTarget& t) { return t.role == "q" || t.role == "k" || t.role == "v"; };
        QVERIFY(rule(phi, [&](const QuantTarget& t) -> std::optional<Scheme> {
                    if (!qkv(t)) return std::nullopt;
                    return intOf(t.role == "k" ? 8 : 4, 32);
                }).find("one tensor") != std::string::npos);
        QVERIFY(rule(phi, [&](const QuantTarget& t) -> std::optional<Scheme> {
                    if (t.role != "q") return std::nullopt;
                    return intOf(4, 32);
                }).find("only a part") != std::string::npos);
        QCOMPARE(rule(phi,
                      [&](const QuantTarget& t) -> std::optional<Scheme> {
                          if (!qkv(t)) return std::nullopt;
                          return intOf(4, 32);
                      }),
                 std::string());
        Fixture mixtral = goldenFixture("mixtral");
        const auto expert = [](int last) {
            return [last](const QuantTarget& t) -> std::optional<Scheme> {
                if (t.module.find("experts.") == std::string::npos || t.cols != 32) return std::nullopt;
                return intOf(t.module.find("experts.1.") != std::string::npos ? last : 4, 32);
            };
        };
        QVERIFY(rule(mixtral, expert(8)).find("one tensor") != std::string::npos);
        QCOMPARE(rule(mixtral, expert(4)), std::string());
    }

    void quantizedFusedAndStackedTensors_data() {
        QTest::addColumn<QString>("name");
        for (const char* name :
             {"gpt2", "phi3", "gpt_neox", "falcon_7b", "falcon_40b", "mixtral", "qwen3_moe", "llama_bias"})
            QTest::newRow(name) << name;
    }
    void quantizedFusedAndStackedTensors() {
        QFETCH(QString, name);
        const bool own = name == "gpt2"; // the golden one has rows of 24
        const Fixture f = own ? makeGpt2() : goldenFixture(name.toStdString());
        const std::vector<int32_t> tokens =
            own ? std::vector<int32_t>{3, 1, 39, 7, 7, 20} : goldenTokens(name.toStdString());
        size_t quantized = 0;
        const double worst = quantizedDifference(f, tokens, quantized);
        QVERIFY(quantized > 0);
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }

    void keptTypes() {
        Fixture f = makeFixture(DType::BF16);
        for (const auto& [kept, type] : {std::pair("source", "BF16"), std::pair("f16", "F16"),
                                         std::pair("f32", "F32"), std::pair("q8_0", "Q8_0")}) {
            const ExportSource s = ggufSource(f, kNone, {{"kept", kept}});
            const auto w = writeAndVerify(s, "gguf-kept");
            QS_VERIFY_OK(w);
            QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
            QCOMPARE(typeOf(*w, "output.weight"), std::string(type));
            QCOMPARE(typeOf(*w, "blk.0.attn_q.weight"), std::string(type));
            QCOMPARE(typeOf(*w, "output_norm.weight"), std::string("F32"));
        }
    }

    /// What the codec `ggml` made, in the order of rows that llama.cpp wants, and the transposed ones kept in
    /// blocks.
    void ggmlBlocksGoThrough_data() {
        QTest::addColumn<QString>("type");
        QTest::addColumn<QString>("stored");
        for (const auto& [id, name] : {std::pair("q4_0", "Q4_0"),
                                       {"q4_1", "Q4_1"},
                                       {"q5_0", "Q5_0"},
                                       {"q5_1", "Q5_1"},
                                       {"q8_0", "Q8_0"},
                                       {"iq4_nl", "IQ4_NL"},
                                       {"mxfp4", "MXFP4"},
                                       {"q2_k", "Q2_K"},
                                       {"q3_k", "Q3_K"},
                                       {"q4_k", "Q4_K"},
                                       {"q5_k", "Q5_K"},
                                       {"q6_k", "Q6_K"},
                                       {"iq4_xs", "IQ4_XS"}})
            QTest::newRow(name) << id << name;
    }
    void ggmlBlocksGoThrough() {
        QFETCH(QString, type);
        QFETCH(QString, stored);
        Fixture f;
        f.model = *openModel(sampleModel());
        auto scheme = Scheme::make("ggml", "rtn");
        QS_VERIFY_OK(scheme);
        scheme->codecParams =
            *Params::fromJson((*findCodec("ggml"))->params, {{"type", type.toStdString()}}, "test");
        const auto backend = makeCpuBackend();
        RunOptions options;
        options.directory = scratchDir("gguf-ggml-run");
        const Plan plan = planFor(f, [&](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.block > 0) return std::nullopt; // one block is enough
            return *scheme;
        });
        for (const LintIssue& i : lintGguf(*f.model, plan))
            QVERIFY2(i.severity != Severity::Error, i.message.c_str());
        const auto run = executePlan(*f.model, plan, nullptr, options, *backend, JobContext());
        QS_VERIFY_OK(run);
        const auto target = scratchDir("gguf-ggml") / "made";
        const auto receipt = exportRun("gguf", {f.model, *run, target, ggufParams({})}, JobContext());
        QS_VERIFY_OK(receipt);
        QVERIFY(receipt->verified);
        const auto set = GgufSet::open(target / "model.gguf");
        QS_VERIFY_OK(set);
        QCOMPARE((*set)->tensors()[(*set)->find("blk.0.attn_q.weight")].info.type->name,
                 stored.toStdString());
        const auto written = openModel(target);
        const auto weights = runWeights(*run, f.model);
        const std::vector<int32_t> tokens = {0, 5, 900, 17, 300, 301, 302, 44};
        const auto ofRun = logitsOf(*f.model, **weights, tokens),
                   ofFile = logitsOf(**written, *modelWeights(**written), tokens);
        QS_VERIFY_OK(ofRun);
        QS_VERIFY_OK(ofFile);
        const double worst = largestDifference(ofFile->span(), ofRun->span());
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }

    void splitFilesReadAsOne() {
        Fixture f = makeFixture(DType::F32);
        const ExportSource s = ggufSource(f, [](const QuantTarget&) { return intOf(4, 32); });
        ExportSource split = s;
        split.params = ggufParams({{"split_mb", 1}});
        const auto whole = writeAndVerify(s, "gguf-whole");
        QS_VERIFY_OK(whole);
        QVERIFY(fs::exists(whole->folder / "model.gguf")); // below a megabyte: not split
        Fixture sample;
        sample.model = *openModel(sourceDir() / "resources/sample/model");
        const ExportSource large = ggufSource(sample, kNone, {{"split_mb", 3}});
        const auto w = writeAndVerify(large, "gguf-split");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QVERIFY(fs::exists(w->folder / "model-00001-of-00003.gguf"));
        for (const auto& [name, hash] : w->receipt.files)
            if (name.ends_with(".gguf")) QVERIFY(fs::file_size(w->folder / name) < 3'100'000);
    }

    void metadataTellsWhereItComesFrom() {
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "v") return std::nullopt;
            return intOf(5, 32);
        });
        const auto w = writeAndVerify(s, "gguf-metadata");
        QS_VERIFY_OK(w);
        const GgufMetadata& m = w->set->metadata();
        QCOMPARE(*m.text("general.architecture"), std::string_view("llama"));
        QCOMPARE(*m.size("general.quantization_version", 9), uint64_t(2));
        QCOMPARE(*m.size("general.file_type", 99), uint64_t(8)); // most values are Q5_0
        QCOMPARE(*m.text("quantoscope.plan"), std::string_view("abc"));
        QCOMPARE(*m.text("quantoscope.export"), std::string_view(s.sidecar));
        QCOMPARE(*m.size("llama.attention.head_count_kv", 99), uint64_t(1));
        QCOMPARE(*m.number("llama.rope.freq_base"), 10000.0);
    }

    /// The window of the acceptance: what runtimes read is what was measured.
    void perplexityIsTheRuns_data() {
        QTest::addColumn<int>("bits");
        QTest::newRow("Q4_0") << 4;
        QTest::newRow("Q8_0") << 8;
    }
    void perplexityIsTheRuns() {
        QFETCH(int, bits);
        const auto model = openModel(sourceDir() / "resources/sample/model");
        QS_VERIFY_OK(model);
        const auto backend = makeCpuBackend();
        RunOptions options;
        options.directory = scratchDir("gguf-sample-run");
        const Plan plan = resolvePlan(Recipe::uniform(intOf(bits, 32)), **model);
        const auto run = executePlan(**model, plan, nullptr, options, *backend, JobContext());
        QS_VERIFY_OK(run);
        const auto target = scratchDir("gguf-sample") / "made";
        const auto receipt = exportRun("gguf", {*model, *run, target, ggufParams({})}, JobContext());
        QS_VERIFY_OK(receipt);
        const auto written = openModel(target);
        QS_VERIFY_OK(written);
        const std::string text = readAll(sourceDir() / "resources/sample/model/tokenizer_config.json") +
                                 "Once upon a time there was a small machine that wanted to speak. " +
                                 readAll(sourceDir() / "CONTRIBUTING.md");
        const auto ids = (*written)->tokenizer()->encode(text), same = (*model)->tokenizer()->encode(text);
        QS_VERIFY_OK(ids);
        QVERIFY(*ids == *same);
        const auto windows = cutWindows(*ids, 128, 6);
        QS_VERIFY_OK(windows);
        const auto weights = runWeights(*run, *model);
        const auto ofRun = evaluate((*model)->spec(), **weights, nullptr, *windows, {}, *backend, {});
        const auto ofFile =
            evaluate((*written)->spec(), *modelWeights(**written), nullptr, *windows, {}, *backend, {});
        QS_VERIFY_OK(ofRun);
        QS_VERIFY_OK(ofFile);
        QVERIFY2(std::abs(ofFile->perplexity - ofRun->perplexity) <= 1e-3 * ofRun->perplexity,
                 qPrintable(QString("%1 against %2").arg(ofFile->perplexity).arg(ofRun->perplexity)));
    }
};

QS_TEST(Exporter_gguf)
#include "tst_exporter_gguf.moc"
