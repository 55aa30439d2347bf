// SPDX-License-Identifier: Apache-2.0
// What quantized tensors become in a GGUF file: the exact blocks, and what is refused.
#include "tests/unit/exporter/gguf_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class GgufQuantized : public QObject {
    Q_OBJECT
private slots:
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
};

QS_TEST(GgufQuantized)
#include "tst_gguf_quantized.moc"
