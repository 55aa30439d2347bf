// SPDX-License-Identifier: Apache-2.0
// Rotated copies compute what their models do, and what cannot be rotated exactly is refused.
#include "core/export/rotate_model.h"

#include "core/calibrate/stream_moments.h"
#include "core/checkpoint/safetensors.h"
#include "tests/unit/architecture/golden_case.h"

#include <set>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Changes = std::map<std::string, std::function<void(Matrix&)>>;

std::string readAll(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// A copy of a golden case with other values in some tensors, F32.
fs::path changedCase(const std::string& name, const json& config, const Changes& changes,
                     DType type = DType::F32) {
    const fs::path folder = patchedCase(name, config);
    fs::remove(folder / "model.safetensors"); // the link
    const auto source = openCheckpoint(goldenCase(name));
    if (!source) qFatal("%s", source.error().describe().c_str());
    std::vector<SafetensorsItem> items;
    for (const TensorInfo& t : (*source)->tensors()) {
        auto values = (*source)->readMatrix(t.name);
        if (!values) qFatal("%s", values.error().describe().c_str());
        if (const auto it = changes.find(t.name); it != changes.end()) it->second(*values);
        auto kept = std::make_shared<Matrix>(std::move(*values));
        items.push_back({t.name, type, t.shape, [kept, type](std::span<std::byte> out) {
                             return fromFloat(kept->span(), type, out);
                         }});
    }
    if (!writeSafetensors(folder / "model.safetensors", std::move(items), {})) qFatal("cannot write");
    return folder;
}

Matrix tensor(const Model& m, const std::string& name) {
    auto values = modelWeights(m)->matrix(name);
    if (!values) qFatal("%s", values.error().describe().c_str());
    return std::move(*values);
}

double largest(std::span<const float> values) {
    double top = 0;
    for (float v : values)
        top = std::max(top, std::fabs(double(v)));
    return top;
}

} // namespace

class RotateModel : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend;

    struct Made {
        std::shared_ptr<const Model> source, copy;
        RotatedModel result;
    };
    Result<Made> rotate(const fs::path& folder, RotateRequest request = {}) {
        Made m;
        QS_TRY(m.source, openModel(folder));
        request.model = m.source;
        request.directory = scratchDir("rotated") / "model";
        QS_TRY(m.result, rotateModel(request, *m_backend, {}));
        QS_TRY(m.copy, openModel(m.result.directory));
        QS_CHECK(m.copy->requireForward());
        return m;
    }
    Matrix logits(const Model& m, const std::vector<int32_t>& ids) {
        auto out = computeLogits(m.spec(), *modelWeights(m), ids, *m_backend, {});
        if (!out) qFatal("%s", out.error().describe().c_str());
        return std::move(*out);
    }
    void refused(const fs::path& folder, const RotateRequest& request, const char* place, const char* words) {
        const auto made = rotate(folder, request);
        QVERIFY(!made);
        QVERIFY2(made.error().code == ErrorCode::InvalidArgument &&
                     made.error().describe().find(place) != std::string::npos &&
                     made.error().message.find(words) != std::string::npos,
                 made.error().describe().c_str());
    }

private slots:
    void initTestCase() { m_backend = makeCpuBackend(); }

    void functionStays_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("kind");
        QTest::addColumn<bool>("heads");
        for (const char* name :
             {"llama",     "llama_bias",    "llama_yarn", "mistral",    "stablelm", "stablelm_parallel",
              "qwen2",     "qwen2_sliding", "qwen3",      "gemma",      "phi3",     "phi3_longrope",
              "gpt2",      "gpt2_scaled",   "opt",        "opt_plain",  "gpt_neox", "gpt_neox_sequential",
              "falcon_rw", "falcon_7b",     "falcon_40b", "falcon_11b", "mixtral",  "qwen2_moe",
              "qwen3_moe"}) {
            QTest::addRow("%s hadamard heads", name) << name << "hadamard" << true;
            QTest::addRow("%s orthogonal", name) << name << "orthogonal" << false;
        }
    }
    /// Logits of an independent script, from the copy.
    void functionStays() {
        QFETCH(QString, name);
        QFETCH(QString, kind);
        QFETCH(bool, heads);
        const std::string golden = name.toStdString();
        const auto made =
            rotate(goldenCase(golden),
                   {.kind = (*findRotation(kind.toStdString()))->kind, .seed = 7, .heads = heads});
        QS_VERIFY_OK(made);
        const auto expected = readNpyFloat(goldenCase(golden) / "logits.npy");
        QS_VERIFY_OK(expected);
        const Matrix after = logits(*made->copy, goldenTokens(golden));
        const double worst =
            largestDifference(after.span(), expected->values) / std::max(1.0, largest(expected->values));
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
        QVERIFY2(made->result.difference <= 1e-4, qPrintable(QString::number(made->result.difference)));

        // The stream did turn: angles between embeddings stay, their values do not, norms multiply by one.
        const ModelSpec& spec = made->source->spec();
        const Matrix e = tensor(*made->source, spec.embedding.tokens),
                     turned = tensor(*made->copy, spec.embedding.tokens);
        QVERIFY(largestDifference(e.span(), turned.span()) >= 0.3 * largest(e.span()));
        const auto dot = [](const Matrix& m, size_t i, size_t j) {
            double sum = 0;
            for (size_t c = 0; c < m.cols(); ++c)
                sum += double(m(i, c)) * double(m(j, c));
            return sum;
        };
        for (size_t i = 1; i < 6; ++i)
            QVERIFY(std::fabs(dot(e, i, i - 1) - dot(turned, i, i - 1)) <=
                    1e-5 * std::max(1.0, dot(e, i, i)));
        const NormSpec& norm = made->copy->spec().blocks.back().attentionNorms.before;
        const auto gains = normGains(norm, *modelWeights(*made->copy));
        QS_VERIFY_OK(gains);
        for (float g : *gains)
            QCOMPARE(g, 1.0f);
        if (norm.kind == NormSpec::Kind::Layer) { // the mean over channels stays
            for (size_t i = 0; i < 6; ++i) {
                double before = 0, after = 0;
                for (size_t c = 0; c < e.cols(); ++c) {
                    before += double(e(i, c));
                    after += double(turned(i, c));
                }
                QVERIFY(std::fabs(before - after) <= 1e-5 * double(e.cols()));
            }
        }
    }

    void kltLevelsTheStream() {
        const fs::path folder = goldenCase("llama"); // hidden 32: a power of two
        const auto ids = goldenTokens("llama");
        TokenWindows windows(1, ids.size());
        std::copy(ids.begin(), ids.end(), windows.data());
        const fs::path file = scratchDir("rotate-calibration") / "c.h5";
        const auto model = openModel(folder);
        QS_VERIFY_OK(model);
        QS_VERIFY_OK(calibrate(**model, windows, {}, file, *m_backend, {}));
        const auto made = rotate(folder, {.kind = RotationKind::Klt, .calibration = file});
        QS_VERIFY_OK(made);
        const auto expected = readNpyFloat(folder / "logits.npy");
        QVERIFY(largestDifference(logits(*made->copy, ids).span(), expected->values) <= 1e-4);
        // What the norms of the copy give has one mean square in all channels.
        const auto again = calibrate(*made->copy, windows, {}, file.parent_path() / "d.h5", *m_backend, {});
        QS_VERIFY_OK(again);
        const auto moments = streamMoments(**again, *made->copy, {});
        QS_VERIFY_OK(moments);
        double trace = 0;
        for (size_t i = 0; i < 32; ++i)
            trace += (*moments)(i, i);
        for (size_t i = 0; i < 32; ++i)
            QVERIFY(std::fabs((*moments)(i, i) * 32 / trace - 1) <= 1e-3);
        refused(folder, {.kind = RotationKind::Klt}, "", "calibration");
        refused(goldenCase("qwen3"), {.kind = RotationKind::Klt, .calibration = file}, "", "");
    }

    /// Gains and biases of a norm are not those of the stream: taken off before the moments are compared.
    void momentsAreOfTheNormedStream() {
        const auto ids = goldenTokens("gpt2");
        TokenWindows windows(1, ids.size());
        std::copy(ids.begin(), ids.end(), windows.data());
        const auto momentsOf = [&](const fs::path& folder) {
            const auto model = openModel(folder);
            const auto c =
                calibrate(**model, windows, {}, scratchDir("rotate-moments") / "c.h5", *m_backend, {});
            auto moments = streamMoments(**c, **model, {});
            if (!moments) qFatal("%s", moments.error().describe().c_str());
            return std::move(*moments);
        };
        const MatrixD moments = momentsOf(goldenCase("gpt2"));
        double trace = 0;
        for (size_t i = 0; i < moments.rows(); ++i)
            trace += moments(i, i);
        // A LayerNorm without gain gives rows of mean square 1 (less eps) and mean 0.
        const size_t sites = 2 * (*openModel(goldenCase("gpt2")))->spec().blocks.size();
        const double perSite = trace / double(sites * ids.size() * moments.rows());
        QVERIFY2(perSite > 0.99 && perSite <= 1.0001, qPrintable(QString::number(perSite)));
        for (size_t i = 0; i < moments.rows(); ++i) {
            double sum = 0;
            for (size_t j = 0; j < moments.cols(); ++j)
                sum += moments(i, j);
            QVERIFY(std::fabs(sum) <= 1e-3 * trace);
        }
    }

    void outliersAreSpread() {
        constexpr size_t kChannel = 5;
        const fs::path folder =
            changedCase("llama", json::object(), {{"model.embed_tokens.weight", [](Matrix& m) {
                                                       for (size_t r = 0; r < m.rows(); ++r)
                                                           m(r, kChannel) *= 60;
                                                   }}});
        const auto ratio = [](const Matrix& m) { // largest channel over the median one
            std::vector<double> tops(m.cols());
            for (size_t r = 0; r < m.rows(); ++r)
                for (size_t c = 0; c < m.cols(); ++c)
                    tops[c] = std::max(tops[c], std::fabs(double(m(r, c))));
            std::sort(tops.begin(), tops.end());
            return tops.back() / tops[tops.size() / 2];
        };
        const auto made = rotate(folder);
        QS_VERIFY_OK(made);
        const std::string name = "model.embed_tokens.weight";
        QVERIFY(ratio(tensor(*made->source, name)) >= 30);
        const double after = ratio(tensor(*made->copy, name));
        QVERIFY2(after <= 1.5, qPrintable(QString::number(after)));
    }

    void tiedHeads() {
        const std::string name = "qwen2_sliding", head = "lm_head.weight";
        const auto untied = rotate(goldenCase(name));
        QS_VERIFY_OK(untied);
        QVERIFY(untied->source->spec().head.tied && !untied->copy->spec().head.tied);
        QCOMPARE(untied->copy->checkpoint().config().at("tie_word_embeddings").get<bool>(), false);
        const TensorInfo& tokens =
            untied->source->checkpoint()
                .tensors()[untied->source->checkpoint().find(untied->source->spec().embedding.tokens)];
        QCOMPARE(untied->result.headBytes, tokens.bytes);
        QVERIFY(untied->copy->checkpoint().find(head) != Checkpoint::npos);
        // Equal gains commute with the rotation: nothing is untied, config.json stays byte for byte.
        const fs::path level =
            changedCase(name, json::object(),
                        {{"model.norm.weight", [](Matrix& m) { std::fill_n(m.data(), m.size(), 1.75f); }}});
        const auto tied = rotate(level);
        QS_VERIFY_OK(tied);
        QVERIFY(tied->copy->spec().head.tied && tied->result.headBytes == 0);
        QVERIFY(tied->copy->checkpoint().find(head) == Checkpoint::npos);
        QCOMPARE(readAll(tied->result.directory / "config.json"), readAll(level / "config.json"));
        const auto ids = goldenTokens(name);
        const Matrix before = logits(*tied->source, ids), after = logits(*tied->copy, ids);
        QVERIFY(largestDifference(before.span(), after.span()) <=
                1e-4 * std::max(1.0, largest(before.span())));
    }

    /// A head's own name where the family has another.
    void untiedHeadOfNeoX() {
        const auto made = rotate(patchedCase("gpt_neox", {{"tie_word_embeddings", true}}));
        QS_VERIFY_OK(made); // the file holds a head as well, which nothing read
        QVERIFY(made->source->spec().head.tied && !made->copy->spec().head.tied);
        QCOMPARE(made->copy->spec().head.weight, std::string("embed_out.weight"));
        const auto ids = goldenTokens("gpt_neox");
        const Matrix before = logits(*made->source, ids), after = logits(*made->copy, ids);
        QVERIFY(largestDifference(before.span(), after.span()) <=
                1e-4 * std::max(1.0, largest(before.span())));
    }

    /// H V and O H^T: the products O V of the heads are those of the residual rotation alone.
    void headsShareOneRotation() {
        const auto plain = rotate(goldenCase("llama")), heads = rotate(goldenCase("llama"), {.heads = true});
        QS_VERIFY_OK(plain);
        QS_VERIFY_OK(heads);
        const AttentionSpec& a = plain->copy->spec().blocks[0].attention;
        QVERIFY(a.heads == 4 && a.kvHeads == 2);
        const Matrix v0 = tensor(*plain->copy, a.v.weight), v1 = tensor(*heads->copy, a.v.weight),
                     o0 = tensor(*plain->copy, a.o.weight), o1 = tensor(*heads->copy, a.o.weight);
        QVERIFY(largestDifference(v0.span(), v1.span()) > 0.05 &&
                largestDifference(o0.span(), o1.span()) > 0.05);
        for (size_t h = 0; h < a.heads; ++h)
            for (size_t i = 0; i < 5; ++i)
                for (size_t j = 0; j < 5; ++j) {
                    double before = 0, after = 0;
                    for (size_t c = 0; c < a.headDim; ++c) {
                        const size_t in = h * a.headDim + c, row = h / 2 * a.headDim + c;
                        before += double(o0(i, in)) * double(v0(row, j));
                        after += double(o1(i, in)) * double(v1(row, j));
                    }
                    QVERIFY(std::fabs(before - after) <= 1e-5);
                }
        const Matrix q0 = tensor(*plain->copy, a.q.weight), q1 = tensor(*heads->copy, a.q.weight);
        QVERIFY(largestDifference(q0.span(), q1.span()) == 0);
    }

    /// Readers without biases leave a LayerNorm's bias with the norm, unless a gain cannot carry it.
    void normBiases() {
        const std::string bias = "model.layers.0.post_attention_layernorm.bias",
                          gain = "model.layers.0.post_attention_layernorm.weight";
        const auto set = [](size_t at, float value) { return [=](Matrix& m) { m.data()[at] = value; }; };
        const auto made =
            rotate(changedCase("stablelm", json::object(), {{gain, set(3, 0.0f)}, {bias, set(3, 0.0f)}}));
        QS_VERIFY_OK(made); // a channel that nobody reads
        QVERIFY(made->result.difference <= 1e-4);
        QVERIFY(largest(tensor(*made->copy, bias).span()) > 0);
        refused(changedCase("stablelm", json::object(), {{gain, set(3, 1e-6f)}, {bias, set(3, 0.5f)}}), {},
                bias.c_str(), "channel 3");
        // All of them have biases in GPT-2's blocks: nothing is left.
        const auto biased = rotate(goldenCase("gpt2"));
        QS_VERIFY_OK(biased);
        QCOMPARE(largest(tensor(*biased->copy, biased->copy->spec().blocks[0].mlpNorms.before.bias).span()),
                 0.0);
    }

    void refusals_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("place");
        QTest::addColumn<QString>("words");
        const auto row = [](const char* name, const char* place, const char* words) {
            QTest::newRow(name) << name << place << words;
        };
        row("gemma2", "layers.0.post_attention_layernorm.weight", "gemma2");
        row("gemma3", "layers.0.post_attention_layernorm.weight", "gemma3");
        row("bloom", "word_embeddings_layernorm.weight", "bloom");
        row("bert", "embeddings.LayerNorm.weight", "bert");
        row("opt_post_norm", "layers.0.self_attn_layer_norm.weight", "over the stream");
    }
    void refusals() {
        QFETCH(QString, name);
        QFETCH(QString, place);
        QFETCH(QString, words);
        refused(goldenCase(name.toStdString()), {}, qPrintable(place), qPrintable(words));
    }

    void otherSourcesAreRefused() {
        refused(sourceDir() / "tests/golden/gguf/tiny.gguf", {}, "tiny.gguf", "Hugging Face");
        const fs::path packed = sourceDir() / "tests/golden/packed/models";
        size_t seen = 0;
        for (const auto& entry : fs::directory_iterator(packed)) {
            const auto model = openModel(entry.path());
            if (!model || !(*model)->hasForward()) continue;
            refused(entry.path(), {}, "", "quantized already");
            ++seen;
        }
        QVERIFY(seen > 0);
    }

    void targetsAreNotOverwritten() {
        const auto model = openModel(goldenCase("llama"));
        const fs::path folder = scratchDir("rotate-full");
        std::ofstream(folder / "mine.txt") << "x";
        RotateRequest request;
        request.model = *model;
        request.directory = folder;
        const auto made = rotateModel(request, *m_backend, {});
        QVERIFY(!made && made.error().message.find("not empty") != std::string::npos);
        QCOMPARE(readAll(folder / "mine.txt"), std::string("x"));
    }

    /// A stop at any moment leaves nothing: asked for at every report in turn.
    void cancelLeavesNothing() {
        const auto model = openModel(goldenCase("llama"));
        const fs::path parent = scratchDir("rotate-cancel");
        RotateRequest request;
        request.model = *model;
        request.directory = parent / "model";
        std::set<std::string> phases;
        for (size_t stopAt = 0; stopAt < 400; stopAt += 7) {
            std::stop_source stop;
            size_t seen = 0;
            const JobContext job(stop.get_token(), [&](const Progress& p) {
                if (seen++ == stopAt) {
                    stop.request_stop();
                    phases.insert(p.phase);
                }
            });
            const auto made = rotateModel(request, *m_backend, job);
            if (made) {
                QVERIFY(seen <= stopAt + 1);
                break;
            }
            QVERIFY2(made.isCancelled(), made.error().describe().c_str());
            QVERIFY(fs::is_empty(parent));
        }
        QVERIFY(phases.count("Write model.safetensors"));
    }

    void otherFilesAreCarriedOver() {
        const fs::path folder = patchedCase("llama", json::object());
        std::ofstream(folder / "generation_config.json") << "{}";
        std::ofstream(folder / "unknown.txt") << "kept";
        std::ofstream(folder / "quantoscope.json") << "stale";
        const auto made = rotate(folder, {.kind = RotationKind::Orthogonal, .seed = 11, .heads = true});
        QS_VERIFY_OK(made);
        const fs::path to = made->result.directory;
        for (const char* file : {"generation_config.json", "unknown.txt", "config.json"})
            QCOMPARE(readAll(to / file), readAll(folder / file));
        const json sidecar = json::parse(readAll(to / "quantoscope.json"));
        QCOMPARE(sidecar.at("schema").get<std::string>(), std::string("quantoscope-rotation"));
        QCOMPARE(sidecar.at("rotation").get<std::string>(), std::string("orthogonal"));
        QVERIFY(sidecar.at("seed") == 11 && sidecar.at("heads") == true);
        QCOMPARE(sidecar.at("source").at("fingerprint").get<std::string>(),
                 *made->source->checkpoint().fingerprint());
    }

    void types() {
        const fs::path half = changedCase("llama", {{"torch_dtype", "float16"}}, {}, DType::F16);
        const auto kept = rotate(half), wide = rotate(half, {.dtype = DType::F32});
        QS_VERIFY_OK(kept);
        QS_VERIFY_OK(wide);
        const auto typeOf = [](const Made& m) {
            const Checkpoint& c = m.copy->checkpoint();
            return c.tensors()[c.find("model.layers.0.mlp.down_proj.weight")].dtype;
        };
        QVERIFY(typeOf(*kept) == DType::F16 && typeOf(*wide) == DType::F32);
        QCOMPARE(kept->copy->checkpoint().config().at("torch_dtype").get<std::string>(),
                 std::string("float16"));
        QCOMPARE(wide->copy->checkpoint().config().at("torch_dtype").get<std::string>(),
                 std::string("float32"));
        // The rounding of the new values, and nothing of it in float32.
        QVERIFY(kept->result.difference > 1e-5 && kept->result.difference <= 5e-3);
        QVERIFY(wide->result.difference <= 1e-5);
        QCOMPARE(fs::file_size(wide->result.directory / "model.safetensors"), wide->result.bytes);
        const fs::path large =
            changedCase("llama", json::object(), {{"model.layers.1.mlp.down_proj.weight", [](Matrix& m) {
                                                       for (float& v : m.span())
                                                           v *= 1e6f;
                                                   }}});
        refused(large, {.dtype = DType::F16}, "model.layers.1.mlp.down_proj.weight", "F16");
    }
};

QS_TEST(RotateModel)
#include "tst_rotate_model.moc"
