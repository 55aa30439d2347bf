// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/reader.h"
#include "core/model/model.h"
#include "tests/support/gguf_llama.h"
#include "tests/support/samples.h"
#include "tests/unit/reader/gguf_fixture.h"

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

/// The data is a hole.
QS_SAMPLE(large_reader, gguf, [](const fs::path& folder) {
    GgufBuilder b;
    b.text("general.architecture", "none").tensor("w", {4096, 8192}, kGgmlF32, "");
    b.write(folder / "w.gguf");
    fs::resize_file(folder / "w.gguf", fs::file_size(folder / "w.gguf") + 134217728);
    return folder / "w.gguf";
})

class Reader_gguf : public QObject {
    Q_OBJECT
private slots:
    void unknownArchitectureIsShownAsItIs() {
        GgufBuilder b;
        b.text("general.architecture", "mamba");
        b.floats("w", {2, 3}, counted(6)).tensor("n", {1}, kGgmlI32, rawOf(int32_t(7)));
        b.tensor("q", {2, 32}, kGgmlQ4_0, std::string(36, '\0'))
            .tensor("g", {1, 256}, 16, std::string(66, '\1'));
        const fs::path path = written("unknown", b);
        OPEN(c, path);
        QCOMPARE(c.readerId(), std::string("gguf"));
        QCOMPARE(c.root(), path);
        QVERIFY(!c.hasConfig());
        QCOMPARE(c.tensors().size(), size_t(4));
        QCOMPARE(valuesOf(c, "w"), counted(6));
        QCOMPARE(c.tensors()[0].typeName(), std::string_view("F32"));
        QVERIFY(c.tensors()[0].readable() && c.tensors()[0].verbatim);
        QCOMPARE(c.tensors()[1].typeName(), std::string_view("I32"));
        QVERIFY(!c.tensors()[1].readable());
        QCOMPARE(c.readMatrix("n").error().code, ErrorCode::Unsupported);
        QCOMPARE(c.tensors()[2].encoding, std::string("Q4_0"));
        QCOMPARE(c.tensors()[2].bits(), 4.5);
        QCOMPARE(c.tensors()[2].dtype, DType::F32);
        QVERIFY(c.tensors()[2].readable() && !c.tensors()[2].verbatim);
        QVERIFY(!c.rawBytes(2));
        QCOMPARE(c.tensors()[3].typeName(), std::string_view("IQ2_XXS"));
        QVERIFY(!c.tensors()[3].readable());
        VERIFY_MENTIONS(QString::fromStdString(c.readMatrix("g").error().describe()), "g: ", "IQ2_XXS",
                        "grids");
        QS_VERIFY_OK(c.fingerprint());
        const auto model = openModel(path);
        QS_VERIFY_OK(model);
        QVERIFY(!(*model)->hasForward());
        VERIFY_MENTIONS(QString::fromStdString((*model)->noForwardReason()), "mamba", "general.architecture",
                        "llama");
        QVERIFY((*model)->findTarget("w") && (*model)->findTarget("q"));
        QVERIFY(!(*model)->findTarget("g"));
    }

    // Head of 4 rows in pairs: presented rows 0, 1 | 2, 3 are stored at 0, 2 | 1, 3.
    void llamaRowsComeBackFromPairs() {
        GgufBuilder b = sized("llama", kRms);
        b.floats("blk.0.attn_q.weight", {16, 16}, counted(256));
        b.floats("blk.0.attn_q.bias", {16}, counted(16));
        b.floats("blk.0.attn_k.weight", {8, 16}, counted(128));
        b.floats("blk.0.attn_v.weight", {8, 16}, counted(128));
        OPEN(c, written("pairs", b));
        const std::vector<int> q{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
        QCOMPARE(rowNumbers(c, "model.layers.0.self_attn.q_proj.weight", 16), q);
        QCOMPARE(rowNumbers(c, "model.layers.0.self_attn.k_proj.weight", 16),
                 (std::vector<int>{0, 2, 1, 3, 4, 6, 5, 7}));
        QCOMPARE(rowNumbers(c, "model.layers.0.self_attn.v_proj.weight", 16),
                 (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
        const std::vector<float> bias = valuesOf(c, "model.layers.0.self_attn.q_proj.bias");
        QCOMPARE(std::vector<int>(bias.begin(), bias.end()), q);
        // Some rows, into a strided block.
        Matrix wide(3, 20);
        const size_t index = c.find("model.layers.0.self_attn.q_proj.weight");
        QS_VERIFY_OK(c.readRows(index, 5, wide.view().block(0, 3, 2, 16)));
        QCOMPARE(wide(0, 2), 96.0f);
        QCOMPARE(wide(1, 3), 81.0f);
        QCOMPARE(wide(2, 17), 127.0f);
        QCOMPARE(wide(0, 0), 0.0f);
        QVERIFY(!c.readRows(index, 14, wide.view().block(0, 3, 2, 16)));
        // Bytes in another order than the values are not handed out; elementBytes computes them.
        QCOMPARE(c.rawBytes(index).error().code, ErrorCode::Unsupported);
        std::vector<std::byte> buffer;
        const auto elements = c.elementBytes(index, buffer);
        QS_VERIFY_OK(elements);
        float value = 0;
        std::memcpy(&value, elements->data() + 16 * 4, 4);
        QCOMPARE(value, 32.0f);
        QVERIFY(c.rawBytes(c.find("model.layers.0.self_attn.v_proj.weight")));
    }

    void quantizedRowsMoveWhole() {
        GgufBuilder b;
        b.text("general.architecture", "llama").u32("llama.embedding_length", 32).u32("llama.block_count", 1);
        b.u32("llama.feed_forward_length", 64)
            .u32("llama.context_length", 16)
            .u32("llama.attention.head_count", 2);
        b.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f).u32("llama.attention.key_length", 4);
        Matrix m(8, 32);
        for (size_t r = 0; r < 8; ++r)
            for (size_t i = 0; i < 32; ++i)
                m(r, i) = float(r + 1) * (i % 2 ? 127 : 1); // scale r + 1, codes 1 and 127: exact
        b.tensor("blk.0.attn_q.weight", {8, 32}, kGgmlQ8_0, encodeMatrix(m, kGgmlQ8_0));
        OPEN(c, written("quantizedpairs", b));
        QCOMPARE(rowNumbers(c, "model.layers.0.self_attn.q_proj.weight", 1),
                 (std::vector<int>{1, 3, 2, 4, 5, 7, 6, 8}));
        const TensorInfo& t = c.tensors()[0];
        QCOMPARE(t.encoding, std::string("Q8_0"));
        QCOMPARE(t.bits(), 8.5);
    }

    void gemmaNormsLoseTheOne() {
        GgufBuilder b = sized("gemma2", kRms);
        for (const char* name :
             {"blk.0.attn_norm", "blk.0.post_attention_norm", "blk.0.ffn_norm", "blk.0.post_ffw_norm"})
            b.floats(name + std::string(".weight"), {2}, {1.5f, 0.25f});
        b.floats("blk.0.ffn_up.weight", {2, 2}, {1, 2, 3, 4});
        OPEN(c, written("gemma", b));
        for (const char* name : {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                                 "post_feedforward_layernorm"})
            QCOMPARE(valuesOf(c, std::string("model.layers.0.") + name + ".weight"),
                     (std::vector<float>{0.5f, -0.75f}));
        QCOMPARE(valuesOf(c, "model.layers.0.mlp.up_proj.weight"), (std::vector<float>{1, 2, 3, 4}));
    }

    void gpt2WeightsAreTransposedBack() {
        GgufBuilder b = sized("gpt2", kLayer, 4);
        b.floats("blk.0.attn_qkv.weight", {48, 16}, counted(768))
            .floats("blk.0.attn_qkv.bias", {48}, counted(48));
        Matrix m(3, 64);
        for (size_t r = 0; r < 3; ++r)
            for (size_t i = 0; i < 64; ++i)
                m(r, i) = i % 32 == 0 ? 127 : float((r * 64 + i) % 100); // scale 1: exact
        b.tensor("blk.0.ffn_up.weight", {3, 64}, kGgmlQ8_0, encodeMatrix(m, kGgmlQ8_0));
        OPEN(c, written("gpt2", b));
        const size_t index = c.find("transformer.h.0.attn.c_attn.weight");
        QVERIFY(index != Checkpoint::npos);
        QCOMPARE(c.tensors()[index].shape, (std::vector<uint64_t>{16, 48}));
        const auto whole = c.readMatrix(index);
        QS_VERIFY_OK(whole);
        for (size_t r = 0; r < 16; ++r)
            for (size_t k = 0; k < 48; ++k)
                QCOMPARE((*whole)(r, k), float(k * 16 + r));
        QCOMPARE(valuesOf(c, "transformer.h.0.attn.c_attn.bias"), counted(48));
        // Rows that begin and end inside blocks.
        const size_t packed = c.find("transformer.h.0.mlp.c_fc.weight");
        QCOMPARE(c.tensors()[packed].shape, (std::vector<uint64_t>{64, 3}));
        Matrix some(10, 3);
        QS_VERIFY_OK(c.readRows(packed, 27, some.view()));
        for (size_t i = 0; i < 10; ++i)
            for (size_t k = 0; k < 3; ++k)
                QCOMPARE(some(i, k), m(k, 27 + i));
    }

    // Stored all q, all k, all v; presented per head as q, k, v. Rows are numbered as stored.
    void fusedRowsComeBackPerHead() {
        for (const char* arch : {"gptneox", "bloom"}) {
            GgufBuilder b = sized(arch, kLayer, 4);
            b.floats("blk.1.attn_qkv.weight", {48, 16}, counted(768))
                .floats("blk.1.attn_qkv.bias", {48}, counted(48));
            OPEN(c, written("fused", b));
            const std::string name = arch == std::string("bloom")
                                         ? "transformer.h.1.self_attention.query_key_value"
                                         : "gpt_neox.layers.1.attention.query_key_value";
            std::vector<int> expected;
            for (int head = 0; head < 4; ++head)
                for (int part = 0; part < 3; ++part)
                    for (int i = 0; i < 4; ++i)
                        expected.push_back(16 * part + 4 * head + i);
            QCOMPARE(rowNumbers(c, name + ".weight", 16), expected);
            const std::vector<float> bias = valuesOf(c, name + ".bias");
            QCOMPARE(std::vector<int>(bias.begin(), bias.end()), expected);
        }
    }

    void falconGroups() {
        GgufBuilder b = sized("falcon", kLayer, 2); // two groups of two q heads, a k and a v
        b.floats("blk.0.attn_qkv.weight", {32, 16}, counted(512))
            .floats("blk.0.attn_norm.weight", {16}, counted(16));
        b.floats("blk.0.attn_norm_2.weight", {16}, counted(16));
        OPEN(c, written("falcon", b));
        std::vector<int> expected;
        for (const int from : {0, 4, 16, 24, 8, 12, 20, 28}) // q0 q1 k0 v0 q2 q3 k1 v1
            for (int i = 0; i < 4; ++i)
                expected.push_back(from + i);
        QCOMPARE(rowNumbers(c, "transformer.h.0.self_attention.query_key_value.weight", 16), expected);
        QVERIFY(c.find("transformer.h.0.ln_mlp.weight") != Checkpoint::npos);
        QVERIFY(c.find("transformer.h.0.ln_attn.weight") != Checkpoint::npos);
        QCOMPARE(c.config().at("new_decoder_architecture").get<bool>(), true);
        QCOMPARE(c.config().at("num_kv_heads").get<int>(), 2);
    }

    void expertsAndHeadsBecomeTensors() {
        GgufBuilder b = sized("llama", kRms);
        b.u32("llama.expert_count", 3).u32("llama.expert_used_count", 2);
        b.floats("blk.1.ffn_gate_inp.weight", {3, 16}, counted(48));
        b.floats("blk.1.ffn_down_exps.weight", {3, 2, 5}, counted(30));
        OPEN(c, written("experts", b));
        QCOMPARE(c.config().at("architectures")[0].get<std::string>(), std::string("MixtralForCausalLM"));
        QCOMPARE(c.config().at("num_local_experts").get<int>(), 3);
        for (int e = 0; e < 3; ++e) {
            const std::string name =
                "model.layers.1.block_sparse_moe.experts." + std::to_string(e) + ".w2.weight";
            const size_t index = c.find(name);
            QVERIFY(index != Checkpoint::npos);
            QCOMPARE(c.tensors()[index].shape, (std::vector<uint64_t>{2, 5}));
            QCOMPARE(c.tensors()[index].bytes, uint64_t(40));
            QCOMPARE(valuesOf(c, name).front(), float(10 * e));
            const auto raw = c.rawBytes(index);
            QS_VERIFY_OK(raw);
            float last = 0;
            std::memcpy(&last, raw->data() + 36, 4);
            QCOMPARE(last, float(10 * e + 9));
        }
        GgufBuilder s = sized("stablelm", kLayer);
        s.floats("blk.0.attn_q_norm.weight", {4, 4}, counted(16))
            .floats("blk.0.attn_k_norm.weight", {2, 4}, counted(8));
        OPEN(h, written("heads", s));
        QCOMPARE(valuesOf(h, "model.layers.0.self_attn.q_layernorm.norms.2.weight"),
                 (std::vector<float>{8, 9, 10, 11}));
        QCOMPARE(valuesOf(h, "model.layers.0.self_attn.k_layernorm.norms.1.weight"),
                 (std::vector<float>{4, 5, 6, 7}));
        QCOMPARE(h.tensors()[1].shape, (std::vector<uint64_t>{4}));
        QVERIFY(h.config().at("qk_layernorm").get<bool>());
        // As many slices as the metadata say, or the file is shown as it is.
        GgufBuilder wrong = sized("llama", kRms);
        wrong.u32("llama.expert_count", 4).floats("blk.1.ffn_down_exps.weight", {3, 2, 5}, counted(30));
        OPEN(w, written("wrongexperts", wrong));
        QVERIFY(!w.hasConfig() && w.find("blk.1.ffn_down_exps.weight") != Checkpoint::npos);
        VERIFY_MENTIONS(QString::fromStdString(w.noConfigReason()), "m.gguf", "ffn_down_exps", "must be 4",
                        "[3, 2, 5]");
    }

    void headsThatDoNotFit() {
        GgufBuilder b = sized("llama", kRms);
        b.floats("blk.0.attn_q.weight", {12, 16}, counted(192));
        OPEN(c, written("badheads", b));
        VERIFY_MENTIONS(QString::fromStdString(c.noConfigReason()), "blk.0.attn_q.weight", "16 rows",
                        "[12, 16]");
        QCOMPARE(rowNumbers(c, "blk.0.attn_q.weight", 16).size(), size_t(12));
    }

    void splitFiles() {
        const auto piece = [](uint32_t number, uint32_t count, uint32_t tensors) {
            GgufBuilder b = number == 0 ? sized("llama", kRms) : GgufBuilder();
            b.u32("split.no", number).u32("split.count", count).u32("split.tensors.count", tensors);
            if (number > 0)
                b.floats("blk." + std::to_string(number) + ".attn_norm.weight", {16}, counted(16));
            return b;
        };
        const fs::path dir = scratchDir("split");
        const auto name = [&](int number, const char* count = "00003") {
            return dir / ("m-0000" + std::to_string(number) + "-of-" + count + ".gguf");
        };
        for (uint32_t i = 0; i < 3; ++i)
            piece(i, 3, 3).write(name(int(i) + 1));
        for (const fs::path& path : {dir, name(1), name(3)}) { // the folder, or any piece
            OPEN(c, path);
            QCOMPARE(c.tensors().size(), size_t(3));
            QCOMPARE(c.tensors()[2].file, std::string("m-00003-of-00003.gguf"));
            QCOMPARE(valuesOf(c, "model.layers.2.input_layernorm.weight"), counted(16));
            QS_VERIFY_OK(c.fingerprint());
        }
        piece(1, 3, 3).write(name(3));
        VERIFY_MENTIONS(openError(dir), "m-00003-of-00003.gguf", "split.no");
        piece(2, 2, 3).write(name(3));
        VERIFY_MENTIONS(openError(dir), "m-00003-of-00003.gguf", "split.count");
        GgufBuilder twice = piece(2, 3, 3);
        twice.tensors[0].name = "blk.1.attn_norm.weight";
        twice.write(name(3));
        VERIFY_MENTIONS(openError(dir), "blk.1.attn_norm.weight", "m-00002-of-00003.gguf",
                        "m-00003-of-00003.gguf");
        piece(2, 3, 3).write(name(3));
        piece(0, 3, 4).write(name(1));
        VERIFY_MENTIONS(openError(dir), "split.tensors.count", "is 4", "say 3");
        fs::remove(name(2));
        VERIFY_MENTIONS(openError(name(3)), "m-00002-of-00003.gguf", "2 of 3", "missing");
        const fs::path renamed = scratchDir("renamed") / "m.gguf";
        piece(0, 3, 3).write(renamed);
        VERIFY_MENTIONS(openError(renamed), "m.gguf", "split.count", "3 pieces");
    }

    void folders() {
        const fs::path dir = scratchDir("folder");
        sized("llama", kRms).write(dir / "a.gguf");
        OPEN(one, dir);
        QCOMPARE(one.root(), dir / "a.gguf");
        sized("llama", kRms).write(dir / "b.gguf");
        VERIFY_MENTIONS(openError(dir), "2 GGUF models", "a.gguf", "b.gguf");
        // Magic bytes tell a file without the ending, as in a cache.
        sized("llama", kRms).write(dir / "blob");
        OPEN(blob, dir / "blob");
        QCOMPARE(blob.readerId(), std::string("gguf"));
    }

    void twoNamesForOneTensor() {
        GgufBuilder b = sized("llama", kRms);
        b.floats("model.embed_tokens.weight", {10, 16}, counted(160));
        VERIFY_MENTIONS(openError(written("twonames", b)), "token_embd.weight", "model.embed_tokens.weight");
    }

    void shrinkingAfterOpenIsAnError() {
        const fs::path path = written("shrink", sized("llama", kRms));
        OPEN(c, path);
        fs::resize_file(path, 600);
        VERIFY_MENTIONS(QString::fromStdString(c.readMatrix(0).error().describe()), "m.gguf", "shrank");
    }

    /// A vocabulary without weights opens far enough to tokenize.
    void vocabularyOnly() {
        GgufBuilder b = sized("llama", kRms);
        b.tensors.clear();
        b.text("tokenizer.ggml.model", "llama")
            .u32("tokenizer.ggml.bos_token_id", 1)
            .u32("tokenizer.ggml.eos_token_id", 2);
        b.u32("tokenizer.ggml.unknown_token_id", 0).flag("tokenizer.ggml.add_bos_token", true);
        b.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "a", "b", "ab",
                                          "\xE2\x96\x81"
                                          "ab"});
        b.array<float>("tokenizer.ggml.scores", kGgufF32, {0, 0, 0, -10, -10, -10, -1, -2});
        b.array<int32_t>("tokenizer.ggml.token_type", kGgufI32, {2, 3, 3, 1, 1, 1, 1, 1});
        const fs::path path = written("vocabulary", b);
        OPEN(c, path);
        QVERIFY(c.tensors().empty());
        QCOMPARE(c.config().at("bos_token_id").get<int>(), 1);
        QCOMPARE(c.config().at("vocab_size").get<int>(), 8);
        const auto model = openModel(path);
        QS_VERIFY_OK(model);
        QVERIFY(!(*model)->hasForward());
        QVERIFY2((*model)->tokenizer(), (*model)->noTokenizerReason().c_str());
        QCOMPARE(*(*model)->tokenizer()->encode("abb"), (std::vector<int>{1, 7, 5}));
        GgufBuilder none = sized("llama", kRms);
        const auto silent = openModel(written("novocabulary", none));
        QS_VERIFY_OK(silent);
        VERIFY_MENTIONS(QString::fromStdString((*silent)->noTokenizerReason()), "m.gguf", "no vocabulary");
    }

    void descriptor() {
        const ReaderDescriptor* d = nullptr;
        for (const ReaderDescriptor* r : readers())
            if (r->id == "gguf") d = r;
        QVERIFY(d && !d->label.empty() && !d->summary.empty());
        QCOMPARE(d->extensions, std::vector<std::string>{".gguf"});
        QVERIFY(!d->accepts(scratchDir("nothing")));
        QVERIFY(!d->accepts(scratchDir("nothing") / "absent.gguf"));
    }
};

QS_TEST(Reader_gguf)
#include "tst_reader_gguf.moc"
