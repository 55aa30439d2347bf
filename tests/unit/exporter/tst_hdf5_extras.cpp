// SPDX-License-Identifier: Apache-2.0
// What methods keep beside the codes, and formats whose values follow from no formula, in HDF5 files.
#include "core/checkpoint/exported_hdf5.h"
#include "core/evaluate/evaluate.h"
#include "core/export/hdf5_format.h"
#include "core/hdf5/h5_import.h"
#include "tests/unit/architecture/golden_case.h"
#include "tests/unit/exporter/packed_export.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class Hdf5Extras : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend;
    std::shared_ptr<const Calibration> m_calibration;
    TokenWindows m_windows;

    struct Made {
        std::shared_ptr<const Run> run;
        fs::path file;
        Receipt receipt;
        std::shared_ptr<const Model> written;
    };

    static Scheme scheme(const char* codec, const json& params, const char* method, const json& options) {
        return *Scheme::fromJson(
            {{"codec", codec}, {"codec_params", params}, {"method", method}, {"method_params", options}},
            "test");
    }

    Result<Made> make(const std::shared_ptr<const Model>& model, const Plan& plan,
                      const Calibration* calibration) {
        Made m;
        RunOptions options;
        options.directory = scratchDir("hdf5-extras-run");
        QS_TRY(m.run, executePlan(*model, plan, calibration, options, *m_backend, {}));
        const auto target = scratchDir("hdf5-extras") / "made";
        const Params params = Params::defaults((*findExporter("hdf5"))->params);
        QS_TRY(m.receipt, exportRun("hdf5", {model, m.run, target, params}, {}));
        m.file = target / kHdf5ExportFile;
        QS_TRY(m.written, openModel(m.file));
        return m;
    }

    /// "" when every quantized weight is the run's, bit for bit.
    static std::string wrongValue(const Model& model, const Made& m, size_t& compared) {
        for (const QuantTarget& t : model.targets()) {
            if (!m.run->result(t.module)) continue;
            const auto q = m.run->tensor(t.module);
            if (!q) return q.error().describe();
            const Matrix want = (*codecOf(*q))->dequantize(*q);
            const auto have = m.written->readTarget(*m.written->findTarget(t.module));
            if (!have) return have.error().describe();
            for (size_t i = 0; i < want.size(); ++i)
                if (!(have->data()[i] == want.data()[i])) return t.module + ": element " + std::to_string(i);
            ++compared;
        }
        return {};
    }

    static std::vector<std::string> arraysOf(const fs::path& file, const std::string& group) {
        std::vector<std::string> names;
        const auto h5 = H5Import::open(file);
        if (!h5) qFatal("%s", h5.error().describe().c_str());
        for (const H5Node& n : (*h5)->listing().nodes)
            if (n.path.starts_with(group + "/")) names.push_back(n.path.substr(group.size() + 1));
        return names;
    }

private slots:
    void initTestCase() {
        const auto model = openModel(sourceDir() / "resources/sample/model");
        QS_VERIFY_OK(model);
        m_model = *model;
        m_backend = makeCpuBackend();
        const std::string text = readAll(sourceDir() / "CONTRIBUTING.md");
        const auto ids = m_model->tokenizer()->encode(text.substr(0, 4000)),
                   other = m_model->tokenizer()->encode(text.substr(4000, 3000));
        QS_VERIFY_OK(ids);
        QS_VERIFY_OK(other);
        m_windows = *cutWindows(*ids, 128, 4);
        const auto calibration = calibrate(*m_model, *cutWindows(*other, 128, 4), {},
                                           scratchDir("hdf5-extras-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(calibration);
        m_calibration = *calibration;
    }

    void perplexityIsTheRuns_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        QTest::addColumn<QString>("method");
        QTest::addColumn<QString>("options");
        QTest::addColumn<QString>("arrays"); ///< in the group of a down projection: 768 = 256 x 3 inputs
        const auto row = [](const char* name, const char* codec, const char* params, const char* method,
                            const char* options, const char* arrays) {
            QTest::newRow(name) << codec << params << method << options << arrays;
        };
        const char* int3 = R"({"bits": 3, "group": 32})";
        row("kept weights", "int", int3, "spqr", "{}", "kept_column kept_start kept_value");
        row("kept weights, data-free", "int", int3, "easyquant", "{}", "kept_column kept_start kept_value");
        row("low rank", "int", int3, "lorc", R"({"rank": 4})", "low_rank_a low_rank_b");
        row("low rank on NF4", "nf", R"({"group": 32})", "loftq", R"({"rank": 3, "iterations": 2})",
            "low_rank_a low_rank_b");
        row("rotated and scaled", "int", R"({"bits": 3, "group": -1})", "quip", "{}",
            "rotation_q rotation_scale rotation_seed rotation_signs");
        row("rotated", "gaussian", R"({"bits": 3, "group": 64})", "higgs", "{}",
            "rotation_q rotation_seed rotation_signs");
        row("levels of the tensor", "power", R"({"bits": 4, "group": 64})", "rtn", "{}",
            "levels super_scale");
        row("a table", "bcq", R"({"bits": 2, "group": 64})", "rtn", "{}", "table");
    }
    void perplexityIsTheRuns() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        QFETCH(QString, method);
        QFETCH(QString, options);
        QFETCH(QString, arrays);
        const Scheme s = scheme(codec.toUtf8(), json::parse(params.toStdString()), method.toUtf8(),
                                json::parse(options.toStdString()));
        const Plan plan = resolvePlan(Recipe::uniform(s), *m_model);
        QVERIFY(lintHdf5(*m_model, plan).empty());
        const auto m = make(m_model, plan, m_calibration.get());
        QS_VERIFY_OK(m);
        QVERIFY2(m->receipt.verified, m->receipt.summary().c_str());
        QCOMPARE(m->receipt.maxDelta, 0.0);
        QCOMPARE(uint64_t(fs::file_size(m->file)), m->receipt.bytesPlanned);
        size_t compared = 0;
        QCOMPARE(wrongValue(*m_model, *m, compared), std::string());
        QCOMPARE(compared, size_t(28));
        std::vector<std::string> expected = {"codes", "group_of_column", "scale", "zero"};
        for (const QString& name : arrays.split(' '))
            expected.push_back(name.toStdString());
        std::sort(expected.begin(), expected.end());
        QCOMPARE(arraysOf(m->file, "/tensors/model.layers.1.mlp.down_proj.weight"), expected);
        const auto weights = runWeights(m->run, m_model);
        const auto ofRun = evaluate(m_model->spec(), **weights, nullptr, m_windows, {}, *m_backend, {});
        const auto ofFile =
            evaluate(m->written->spec(), *modelWeights(*m->written), nullptr, m_windows, {}, *m_backend, {});
        QS_VERIFY_OK(ofRun);
        QS_VERIFY_OK(ofFile);
        QVERIFY2(std::fabs(ofFile->perplexity - ofRun->perplexity) <= 1e-6 * ofRun->perplexity,
                 qPrintable(QString("%1 against %2").arg(ofFile->perplexity).arg(ofRun->perplexity)));
    }

    /// Linears that are parts of a tensor, or stored transposed, keep theirs in their own groups.
    void partsOfTensors_data() {
        QTest::addColumn<QString>("model");
        QTest::newRow("fused") << "phi3";
        QTest::newRow("transposed") << "gpt2";
        QTest::newRow("interleaved") << "gpt_neox";
    }
    void partsOfTensors() {
        QFETCH(QString, model);
        const auto source = openModel(goldenCase(model.toStdString()));
        QS_VERIFY_OK(source);
        for (const auto& [method, options] : {std::pair("easyquant", json::object()),
                                              std::pair("loftq", json{{"rank", 2}, {"iterations", 1}})}) {
            const Plan plan = resolvePlan(
                Recipe::uniform(scheme("int", {{"bits", 4}, {"group", -1}}, method, options)), **source);
            const auto m = make(*source, plan, nullptr);
            QS_VERIFY_OK(m);
            QVERIFY2(m->receipt.verified, m->receipt.summary().c_str());
            size_t compared = 0;
            QCOMPARE(wrongValue(**source, *m, compared), std::string());
            QVERIFY(compared > 3);
        }
    }

    /// Columns of split and merged channels; the file holds them behind a product as well.
    void reassembledChannels() {
        for (const char* method : {"gptq", "lorc"}) {
            Scheme s = scheme("int", {{"bits", 4}, {"group", -1}}, method, json::object());
            s.inputs = *InputScheme::preset("qllm4");
            const Plan plan = resolvePlan(Recipe::uniform(s), *m_model);
            const auto m = make(m_model, plan, m_calibration.get());
            QS_VERIFY_OK(m);
            QVERIFY2(m->receipt.verified, m->receipt.summary().c_str());
            QCOMPARE(uint64_t(fs::file_size(m->file)), m->receipt.bytesPlanned);
            size_t compared = 0;
            QCOMPARE(wrongValue(*m_model, *m, compared), std::string());
            QCOMPARE(compared, size_t(28));
            const auto q = m->run->tensor("layers.0.mlp.up_proj");
            QS_VERIFY_OK(q);
            QVERIFY(q->extras.reassembly != ChannelReassembly::identity(q->cols)); // the sample has outliers
        }
    }

    /// A changed value of any of them is found.
    void damageIsFound() {
        const Plan plan = resolvePlan(
            Recipe::uniform(scheme("int", {{"bits", 4}, {"group", 32}}, "lorc", {{"rank", 2}})), *m_model);
        const auto m = make(m_model, plan, m_calibration.get());
        QS_VERIFY_OK(m);
        std::string bytes = readAll(m->file);
        const auto q = m->run->tensor("layers.2.self_attn.v_proj");
        QS_VERIFY_OK(q);
        std::vector<uint16_t> half;
        for (const float v : q->extras.lowRank.b.span())
            half.push_back(floatToHalf(v));
        const size_t at =
            bytes.find(std::string(reinterpret_cast<const char*>(half.data()), 2 * half.size()));
        QVERIFY(at != std::string::npos); // where it can be mapped
        bytes[at + 7] = char(bytes[at + 7] ^ 0x10);
        std::ofstream(m->file, std::ios::binary) << bytes;
        const auto again = verifyExport(m_model, m->run, m->file.parent_path(), {});
        QS_VERIFY_OK(again);
        QVERIFY(!again->verified);
        QVERIFY2(again->summary().find("low_rank_b") != std::string::npos, again->summary().c_str());
    }

    /// One inner matrix may be so large that nobody would turn the weights back.
    void rotationsThatAreTooLarge() {
        Plan plan = resolvePlan(
            Recipe::uniform(scheme("gaussian", {{"bits", 3}, {"group", -1}}, "higgs", json::object())),
            *m_model);
        QVERIFY(lintHdf5(*m_model, plan).empty());
        plan.entries.front().target.cols = 2 * 4099;
        const auto issues = lintHdf5(*m_model, plan);
        QVERIFY(hasRule(issues, "hdf5-rotation", Severity::Error));
        plan.entries.front().target.cols = 4 * 4095;
        QVERIFY(lintHdf5(*m_model, plan).empty());
    }
};

QS_TEST(Hdf5Extras)
#include "tst_hdf5_extras.moc"
