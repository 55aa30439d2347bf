// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_hdf5.h"
#include "core/evaluate/evaluate.h"
#include "core/export/hdf5_format.h"
#include "core/export/verify.h"
#include "tests/unit/exporter/packed_export.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct Written {
    fs::path file;
    uint64_t planned = 0;
    Receipt receipt;
    std::shared_ptr<const Checkpoint> checkpoint;
    std::unique_ptr<H5Import> h5;
};

Result<Written> writeAndVerify(const ExportSource& s, const char* name) {
    Written w;
    const fs::path folder = scratchDir(name);
    w.file = folder / "model.h5";
    QS_TRY(w.planned, hdf5Bytes(s));
    QS_CHECK(writeHdf5(s, folder, {}));
    QS_TRY(w.receipt, verifyHdf5(s, folder, {}));
    QS_TRY(w.checkpoint, openCheckpoint(w.file));
    QS_TRY(w.h5, H5Import::open(w.file));
    return w;
}

/// All elements of an array, as the file holds them; empty when there is none.
template<class T>
std::vector<T> array(const Written& w, const std::string& path) {
    for (const H5Node& n : w.h5->listing().nodes) {
        if (n.path != path || n.elements() * uint64_t(dtypeInfo(n.type).bits) != n.elements() * 8 * sizeof(T))
            continue;
        std::vector<T> values(n.elements());
        if (!w.h5->read(n, 0, n.elements(), std::as_writable_bytes(std::span(values)))) values.clear();
        return values;
    }
    return {};
}

std::string attribute(const Written& w, const std::string& path, const std::string& name) {
    for (const H5Node& n : w.h5->listing().nodes)
        if (n.path == path)
            for (const H5TextAttribute& a : n.attributes)
                if (a.name == name) return a.values.front();
    return {};
}

/// "" when the reader gives every weight the value that its run has.
std::string wrongValue(const Fixture& f, const Written& w) {
    const auto model = openModel(w.checkpoint);
    if (!model) return model.error().describe();
    for (const QuantTarget& t : (*model)->targets()) {
        const auto it = f.tensors.find(t.module);
        if (it == f.tensors.end()) continue;
        const QuantizedTensor& q = it->second;
        const auto values = (*model)->readTarget(t);
        if (!values) return values.error().describe();
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < q.cols; ++c)
                if (!((*values)(r, c) == valueAt(q, r, c))) return t.module + ": values";
    }
    return {};
}

Fixture golden(const char* name) {
    Fixture f;
    f.folder = sourceDir() / "tests/golden/arch" / name;
    auto model = openModel(f.folder);
    if (!model || !(*model)->hasForward()) qFatal("%s does not open", name);
    f.model = *model;
    return f;
}

} // namespace

class Exporter_hdf5 : public QObject {
    Q_OBJECT
private slots:
    void everyFormat_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        QTest::addColumn<bool>("actOrder");
        QTest::addColumn<int>("source");
        const auto row = [](const char* name, const char* codec, const char* params, bool actOrder = false,
                            DType source = DType::F16) {
            QTest::newRow(name) << codec << params << actOrder << int(source);
        };
        row("asymmetric, act-order", "int", R"({"bits": 3, "group": 32, "scale_dtype": "f16"})", true);
        row("bf16 scales", "int", R"({"bits": 8, "group": 32, "grid": "symmetric", "scale_dtype": "bf16"})",
            false, DType::BF16);
        row("per tensor", "int", R"({"bits": 8, "group": 0, "scale_dtype": "f32"})", false, DType::F32);
        row("blocks of rows", "float", R"({"group": 40, "block_rows": 24})");
        row("nf4", "nf", R"({"group": 32})");
        row("nf4, scales in 8 bits", "nf", R"({"group": 32, "double_quant": true})");
        row("mxfp4", "mx", R"({})");
        row("nvfp4", "nvfp4", R"({})");
        for (const char* type : {"q4_0", "q4_1", "q5_1", "iq4_nl", "mxfp4"})
            row(type, "ggml", qUtf8Printable(QString(R"({"type": "%1"})").arg(type)));
    }
    void everyFormat() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        QFETCH(bool, actOrder);
        QFETCH(int, source);
        Fixture f = makeFixture(DType(source));
        const Scheme scheme = schemeOf(codec.toUtf8(), json::parse(params.toStdString()));
        const ExportSource s = sourceFor(
            f,
            [&](const QuantTarget& t) {
                return t.role == "v" ? std::nullopt : std::optional<Scheme>(scheme);
            },
            actOrder);
        if (params.contains("bf16")) { // the fixture's random scales are values of f16
            std::mt19937 rng(7);
            for (const PlanEntry& e : s.plan.entries)
                if (e.scheme)
                    f.tensors[e.target.module] =
                        roundedTensor(e.target, **createCodec(scheme.codec, scheme.codecParams), rng);
        }
        const auto w = writeAndVerify(s, "hdf5-format");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->receipt.maxDelta, 0.0);
        QCOMPARE(uint64_t(fs::file_size(w->file)), w->planned);
        QCOMPARE(wrongValue(f, *w), std::string());
        for (const TensorInfo& t : f.model->checkpoint().tensors())
            if (!w->checkpoint->tensors()[w->checkpoint->find(t.name)].encoding.size())
                QVERIFY2(sameTensor(f.model->checkpoint(), *w->checkpoint, t.name), t.name.c_str());
        QCOMPARE(w->checkpoint->tensors().size(), f.model->checkpoint().tensors().size());
        QCOMPARE(w->checkpoint->config(), f.model->checkpoint().config());
    }

    /// The arrays, by the text that describes the file.
    void arraysAreWhatTheTextSays() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", 3}, {"group", 32}}), true);
        const auto w = writeAndVerify(s, "hdf5-arrays");
        QS_VERIFY_OK(w);
        const std::string group = "/tensors/model.layers.1.mlp.down_proj.weight";
        const QuantizedTensor& q = f.tensors.at("layers.1.mlp.down_proj"); // [64, 96]
        QCOMPARE(attribute(*w, group, "values"), std::string("scale * (code - zero)"));
        QCOMPARE(attribute(*w, group, "module"), std::string("layers.1.mlp.down_proj"));
        QCOMPARE(attribute(*w, group, "shape"), std::string("[64,96]"));
        QCOMPARE(attribute(*w, "/", "schema"), std::string("quantoscope-model"));
        QCOMPARE(attribute(*w, "/", "schema_version"), std::string("1"));
        const auto codes = array<uint8_t>(*w, group + "/codes");
        const auto scale = array<uint16_t>(*w, group + "/scale");
        const auto zero = array<uint8_t>(*w, group + "/zero");
        const auto groups = array<int32_t>(*w, group + "/group_of_column");
        QCOMPARE(codes.size(), size_t(64 * 96));
        QCOMPARE(scale.size(), size_t(64 * 3));
        QCOMPARE(zero.size(), size_t(64 * 3));
        QCOMPARE(groups.size(), size_t(96));
        for (size_t r = 0; r < 64; ++r)
            for (size_t c = 0; c < 96; ++c) {
                const size_t at = r * 3 + size_t(groups[c]);
                QCOMPARE(halfToFloat(scale[at]) * (float(codes[r * 96 + c]) - float(zero[at])),
                         valueAt(q, r, c));
            }
        QCOMPARE(array<char>(*w, "/files/special_tokens_map.json"),
                 (std::vector<char>{'{', '"', 'b', 'o', 's', '_', 't', 'o', 'k', 'e', 'n',
                                    '"', ':', ' ', '"', '<', 's', '>', '"', '}', '\n'}));
        const auto manifest = array<char>(*w, "/manifest");
        QCOMPARE(std::string(manifest.begin(), manifest.end()), s.sidecar);
        const auto config = array<char>(*w, "/files/config.json");
        QCOMPARE(std::string(config.begin(), config.end()), std::string(configText()));
    }

    /// Levels as published: NF4 of the QLoRA paper.
    void levelsAreTheFormats() {
        Fixture f = makeFixture();
        const auto w = writeAndVerify(sourceFor(f, everywhere("nf", {{"group", 32}})), "hdf5-levels");
        QS_VERIFY_OK(w);
        const std::string group = "/tensors/model.layers.0.self_attn.q_proj.weight";
        QCOMPARE(attribute(*w, group, "values"), std::string("scale * level - zero"));
        QCOMPARE(attribute(*w, group, "levels"), std::string("/levels/0"));
        const auto levels = array<float>(*w, "/levels/0");
        const std::vector<float> nf4 = {-1.0f,
                                        -0.6961928009986877f,
                                        -0.5250730514526367f,
                                        -0.39491748809814453f,
                                        -0.28444138169288635f,
                                        -0.18477343022823334f,
                                        -0.09105003625154495f,
                                        0.0f,
                                        0.07958029955625534f,
                                        0.16093020141124725f,
                                        0.24611230194568634f,
                                        0.33791524171829224f,
                                        0.44070982933044434f,
                                        0.5626170039176941f,
                                        0.7229568362236023f,
                                        1.0f};
        QCOMPARE(levels, nf4);
        // One table for all.
        QVERIFY(array<float>(*w, "/levels/1").empty());
    }

    void partsOfTensors_data() {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("roles");
        QTest::newRow("fused, some rows kept") << "phi3_longrope"
                                               << "k gate";
        QTest::newRow("fused, all of it") << "phi3_longrope"
                                          << "q k v gate up down";
        QTest::newRow("interleaved heads") << "gpt_neox"
                                           << "q k v";
        QTest::newRow("transposed") << "gpt2"
                                    << "q k v o up down";
        QTest::newRow("experts") << "qwen3_moe"
                                 << "q gate up down";
    }
    void partsOfTensors() {
        QFETCH(QString, model);
        QFETCH(QString, roles);
        Fixture f = golden(qUtf8Printable(model));
        const QStringList list = roles.split(' ');
        size_t quantized = 0;
        const ExportSource s = sourceFor(f, [&](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.block != 0 || !list.contains(t.role.c_str())) return std::nullopt;
            ++quantized;
            return intScheme({{"bits", 5}, {"group", -1}});
        });
        QVERIFY(quantized > 1);
        const auto w = writeAndVerify(s, "hdf5-parts");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(uint64_t(fs::file_size(w->file)), w->planned);
        QCOMPARE(wrongValue(f, *w), std::string());
        // Linears that were kept are the source's.
        const auto written = openModel(w->checkpoint);
        QS_VERIFY_OK(written);
        for (const QuantTarget& t : f.model->targets()) {
            if (f.tensors.count(t.module)) continue;
            const auto have = (*written)->readTarget(*(*written)->findTarget(t.module)),
                       was = f.model->readTarget(t);
            QS_VERIFY_OK(have);
            QS_VERIFY_OK(was);
            QVERIFY2(std::equal(have->span().begin(), have->span().end(), was->span().begin()),
                     t.module.c_str());
        }
    }

    void damageIsFound() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}}));
        const auto w = writeAndVerify(s, "hdf5-damage");
        QS_VERIFY_OK(w);
        // Another run's codes: the file is whole, and not what was planned.
        f.tensors.at("layers.0.mlp.up_proj").codes[7] ^= 3;
        const auto codes = verifyHdf5(s, w->file.parent_path(), {});
        QS_VERIFY_OK(codes);
        QVERIFY(!codes->verified);
        const auto line = std::find_if(codes->lines.begin(), codes->lines.end(), [](const ReceiptLine& l) {
            return l.tensor == "model.layers.0.mlp.up_proj.weight";
        });
        QVERIFY(line != codes->lines.end());
        QCOMPARE(line->codesDiffering, uint64_t(1));
        QVERIFY2(line->done.find("codes") != std::string::npos, line->done.c_str());
        f.tensors.at("layers.0.mlp.up_proj").codes[7] ^= 3;
        f.tensors.at("layers.0.mlp.up_proj").scale(0, 1) *= 2;
        const auto scales = verifyHdf5(s, w->file.parent_path(), {});
        QS_VERIFY_OK(scales);
        QVERIFY2(!scales->verified && scales->summary().find("scale") != std::string::npos,
                 scales->summary().c_str());
    }

    void lint() {
        const Fixture f = makeFixture();
        QVERIFY(lintHdf5(*f.model, planFor(f, everywhere({{"bits", 2}, {"group", 32}}))).empty());
    }

    /// The file alone is the model: moved elsewhere it is read, tokenizer and all, and measures as the run.
    void perplexityIsTheRuns() {
        const auto model = openModel(sourceDir() / "resources/sample/model");
        QS_VERIFY_OK(model);
        const auto backend = makeCpuBackend();
        RunOptions options;
        options.directory = scratchDir("hdf5-sample-run");
        const Plan plan = resolvePlan(Recipe::uniform(intScheme({{"bits", 3}, {"group", 32}})), **model);
        const auto run = executePlan(**model, plan, nullptr, options, *backend, JobContext());
        QS_VERIFY_OK(run);
        const auto target = scratchDir("hdf5-sample") / "made";
        const auto receipt = exportRun("hdf5", {*model, *run, target, {}}, JobContext());
        QS_VERIFY_OK(receipt);
        QVERIFY(receipt->verified);
        const fs::path alone = scratchDir("hdf5-alone") / "anything.h5";
        fs::copy_file(target / "model.h5", alone);
        const auto written = openModel(alone);
        QS_VERIFY_OK(written);
        const std::string text = readAll(sourceDir() / "CONTRIBUTING.md").substr(0, 4000);
        QVERIFY((*written)->tokenizer());
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
        QVERIFY2(std::abs(ofFile->perplexity - ofRun->perplexity) <= 1e-6 * ofRun->perplexity,
                 qPrintable(QString("%1 against %2").arg(ofFile->perplexity).arg(ofRun->perplexity)));
    }
};

QS_TEST(Exporter_hdf5)
#include "tst_exporter_hdf5.moc"
