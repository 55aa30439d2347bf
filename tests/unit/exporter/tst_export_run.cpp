// SPDX-License-Identifier: Apache-2.0
// From a plan through a run to a folder on disk, and back.
#include "core/base/file.h"
#include "core/evaluate/evaluate.h"
#include "tests/support/killed_child.h"
#include "tests/unit/exporter/export_fixture.h"

#include <set>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

const json kGood = {{"bits", 4}, {"group", 32}, {"grid", "symmetric"}};

SchemeOf all(json params) {
    return [params](const QuantTarget&) { return intScheme(params); };
}

Result<std::shared_ptr<const Run>> runPlan(const Fixture& f, const SchemeOf& schemes, const char* folder) {
    QS_TRY(const auto backend, makeBackend("cpu"));
    RunOptions options;
    options.directory = scratchDir(folder);
    return executePlan(*f.model, planFor(f, schemes), nullptr, options, *backend, JobContext());
}

std::vector<std::string> names(const std::filesystem::path& folder) {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

class ExportRun : public QObject {
    Q_OBJECT
private slots:
    void init();
    void receiptOfAGptqExport();
    void exportedWeightsScoreAsTheRun_data();
    void exportedWeightsScoreAsTheRun();
    void receiptRoundTrips();
    void damageAfterwardsIsFound();
    void lintErrorsAreListedAndNothingIsWritten();
    void usedFolderIsRefused();
    void anotherModelIsRefused();
    void incompleteRunIsRefused();
    void cancelLeavesNothing();
    void killedExportIsCleanedByTheNext();
    void unknownExporter();

private:
    std::filesystem::path parent_;
};

void ExportRun::init() {
    parent_ = scratchDir("export-parent");
}

void ExportRun::receiptOfAGptqExport() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const auto target = parent_ / "model-gptq";
    std::filesystem::create_directory(target); // an empty folder is accepted
    double last = 0;
    std::string phase;
    const JobContext job({}, [&](const Progress& p) {
        if (p.fraction() < last - 1e-9) phase = p.phase;
        last = p.fraction();
    });
    const auto receipt = exportRun("gptq", {f.model, *run, target, {}}, job);
    QS_VERIFY_OK(receipt);
    QVERIFY2(phase.empty(), phase.c_str()); // progress never goes back
    QCOMPARE(names(parent_), std::vector<std::string>{"model-gptq"});
    QVERIFY(receipt->verified);
    QCOMPARE(receipt->summary(), std::string("Verified. The file holds what was planned."));
    QCOMPARE(receipt->maxDelta, 0.0);
    QCOMPARE(receipt->directory, std::filesystem::weakly_canonical(target));
    QCOMPARE(receipt->bytesWritten, uint64_t(std::filesystem::file_size(target / "model.safetensors")));
    QCOMPARE(receipt->bytesPlanned, receipt->bytesWritten);
    // One line per tensor of the source, and the two settings files.
    QCOMPARE(receipt->lines.size(), f.model->checkpoint().tensors().size() + 2);
    for (const auto& [name, hash] : receipt->files) {
        const auto real = sha256OfFile(target / name);
        QS_VERIFY_OK(real);
        QCOMPARE(hash, *real);
    }
    const std::vector<std::string> expected = {
        "config.json",      "generation_config.json", "model.safetensors",      "quantize_config.json",
        "quantoscope.json", "receipt.json",           "special_tokens_map.json"};
    QCOMPARE(names(target), expected);
    const auto sidecar = json::parse(readAll(target / "quantoscope.json"));
    QVERIFY(sidecar.at("plan") == (*run)->manifest().plan());
    QCOMPARE(sidecar.at("source").at("fingerprint").get<std::string>(), *f.model->checkpoint().fingerprint());
    QVERIFY(sidecar.at("calibration").is_null());
    QVERIFY(readAll(target / "quantoscope.json").find(f.folder.parent_path().string()) == std::string::npos);
}

void ExportRun::exportedWeightsScoreAsTheRun_data() {
    QTest::addColumn<QString>("exporter");
    QTest::addColumn<QString>("dtype");
    QTest::newRow("gptq") << "gptq"
                          << "";
    QTest::newRow("dequantized f32") << "dequantized"
                                     << "f32";
}

void ExportRun::exportedWeightsScoreAsTheRun() {
    QFETCH(QString, exporter);
    QFETCH(QString, dtype);
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all({{"bits", 3}, {"group", 32}}), "run");
    QS_VERIFY_OK(run);
    const auto descriptor = findExporter(exporter.toStdString());
    QS_VERIFY_OK(descriptor);
    json given = json::object();
    if (!dtype.isEmpty()) given["dtype"] = dtype.toStdString();
    const auto params = Params::fromJson((*descriptor)->params, given, "test");
    QS_VERIFY_OK(params);
    const auto receipt =
        exportRun(exporter.toStdString(), {f.model, *run, parent_ / "out", *params}, JobContext());
    QS_VERIFY_OK(receipt);

    const auto exported = openModel(parent_ / "out");
    QS_VERIFY_OK(exported);
    const auto backend = makeBackend("cpu");
    QS_VERIFY_OK(backend);
    TokenWindows tokens(3, 40);
    for (size_t i = 0; i < tokens.size(); ++i)
        tokens.data()[i] = int32_t(i * 17 % 40);
    const auto weights = runWeights(*run, f.model);
    QS_VERIFY_OK(weights);
    const auto score = [&](const Model& model, const WeightSource& w) {
        return evaluate(model.spec(), w, nullptr, tokens, {}, **backend, JobContext());
    };
    const auto ofRun = score(*f.model, **weights);
    QS_VERIFY_OK(ofRun);
    const auto ofFile = score(**exported, *modelWeights(**exported));
    QS_VERIFY_OK(ofFile);
    const auto ofSource = score(*f.model, *modelWeights(*f.model));
    QS_VERIFY_OK(ofSource);
    QCOMPARE(ofFile->nll, ofRun->nll); // the same float32 weights
    QVERIFY(std::abs(ofSource->nll - ofRun->nll) > 1e-6);
}

void ExportRun::receiptRoundTrips() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const auto receipt = exportRun("dequantized", {f.model, *run, parent_ / "out", {}}, JobContext());
    QS_VERIFY_OK(receipt);
    const auto stored = json::parse(readAll(parent_ / "out/receipt.json"));
    QVERIFY(stored == receipt->toJson());
    const auto back = Receipt::fromJson(stored);
    QS_VERIFY_OK(back);
    QVERIFY(back->toJson() == stored);
    QCOMPARE(back->exporter, std::string("dequantized"));
    QVERIFY(back->maxDelta > 0); // F16 rounding of the source's type
    for (const char* key : {"schema", "version", "tensors", "sha256", "verified"}) {
        auto broken = stored;
        broken.erase(key);
        QVERIFY2(!Receipt::fromJson(broken), key);
        broken[key] = -7;
        QVERIFY2(!Receipt::fromJson(broken), key);
    }
    const auto again = verifyExport(f.model, *run, parent_ / "out", JobContext());
    QS_VERIFY_OK(again);
    QVERIFY2(again->verified, again->summary().c_str());
}

void ExportRun::damageAfterwardsIsFound() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const auto out = parent_ / "out";
    QS_VERIFY_OK(exportRun("gptq", {f.model, *run, out, {}}, JobContext()));
    std::ofstream(out / "special_tokens_map.json") << "{}";
    std::ofstream(out / "stranger.txt") << "x";
    std::filesystem::remove(out / "generation_config.json");
    const auto again = verifyExport(f.model, *run, out, JobContext());
    QS_VERIFY_OK(again);
    QVERIFY(!again->verified);
    std::set<std::string> bad;
    for (const ReceiptLine& line : again->lines)
        if (line.planned != line.done) bad.insert(line.tensor);
    const std::set<std::string> expected = {"special_tokens_map.json", "stranger.txt",
                                            "generation_config.json"};
    QVERIFY(bad == expected);
    QVERIFY(again->summary().starts_with("Not verified. "));
    std::filesystem::remove(out / "receipt.json");
    QVERIFY(!verifyExport(f.model, *run, out, JobContext()));
}

void ExportRun::lintErrorsAreListedAndNothingIsWritten() {
    const Fixture f = makeFixture();
    const auto schemes = [](const QuantTarget& t) -> std::optional<Scheme> {
        auto params = kGood;
        if (t.role == "k") params["bits"] = 3;
        if (t.role == "down") params["bits"] = 5;
        return intScheme(params);
    };
    const auto run = runPlan(f, schemes, "run");
    QS_VERIFY_OK(run);
    const auto refused = exportRun("gptq", {f.model, *run, parent_ / "out", {}}, JobContext());
    QVERIFY(!refused);
    QCOMPARE(refused.error().code, ErrorCode::InvalidArgument);
    const std::string& text = refused.error().message;
    for (const char* part : {"layers.0.self_attn.k_proj", "layers.1.self_attn.k_proj",
                             "layers.0.mlp.down_proj", "layers.1.mlp.down_proj", "fused-group", "gptq-bits"})
        QVERIFY2(text.find(part) != std::string::npos, part);
    QVERIFY(std::filesystem::is_empty(parent_));
}

void ExportRun::usedFolderIsRefused() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    std::filesystem::create_directory(parent_ / "out");
    std::ofstream(parent_ / "out/precious") << "x";
    const auto refused = exportRun("gptq", {f.model, *run, parent_ / "out", {}}, JobContext());
    QVERIFY(!refused);
    QVERIFY(refused.error().message.find("not empty") != std::string::npos);
    std::ofstream(parent_ / "file") << "x";
    QVERIFY(!exportRun("gptq", {f.model, *run, parent_ / "file", {}}, JobContext()));
    QVERIFY(!exportRun("gptq", {f.model, *run, parent_ / "no/such/parent", {}}, JobContext()));
    QVERIFY(!exportRun("gptq", {f.model, *run, {}, {}}, JobContext()));
    QCOMPARE(names(parent_), (std::vector<std::string>{"file", "out"}));
    QCOMPARE(names(parent_ / "out"), (std::vector<std::string>{"precious"}));
}

void ExportRun::anotherModelIsRefused() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const Fixture other = makeFixture(DType::BF16);
    const auto refused = exportRun("gptq", {other.model, *run, parent_ / "out", {}}, JobContext());
    QVERIFY(!refused);
    QVERIFY(refused.error().message.find("another model") != std::string::npos);
    QVERIFY(std::filesystem::is_empty(parent_));
}

void ExportRun::incompleteRunIsRefused() {
    const Fixture f = makeFixture();
    const auto backend = makeBackend("cpu");
    QS_VERIFY_OK(backend);
    RunOptions options;
    options.directory = scratchDir("run-stopped");
    std::stop_source stop;
    options.unitFinished = [&](int, const auto&) { stop.request_stop(); };
    const auto stopped = executePlan(*f.model, planFor(f, all(kGood)), nullptr, options, **backend,
                                     JobContext(stop.get_token()));
    QVERIFY(stopped.isCancelled());
    const auto run = Run::open(options.directory);
    QS_VERIFY_OK(run);
    QVERIFY(!(*run)->complete());
    const auto refused = exportRun("gptq", {f.model, *run, parent_ / "out", {}}, JobContext());
    QVERIFY(!refused);
    QVERIFY(refused.error().message.find("not complete") != std::string::npos);
    QVERIFY(std::filesystem::is_empty(parent_));
}

void ExportRun::cancelLeavesNothing() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    for (const char* exporter : {"dequantized", "gptq"})
        for (double at : {0.0, 0.3, 0.7, 0.95}) {
            std::stop_source stop;
            const JobContext job(stop.get_token(), [&](const Progress& p) {
                if (p.fraction() >= at) stop.request_stop();
            });
            const auto cancelled = exportRun(exporter, {f.model, *run, parent_ / "out", {}}, job);
            QVERIFY2(cancelled.isCancelled(), exporter);
            QVERIFY2(std::filesystem::is_empty(parent_), exporter);
        }
}

void ExportRun::killedExportIsCleanedByTheNext() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const auto target = parent_ / "killed";
    KilledChild child([&] {
        const JobContext job({}, [](const Progress& p) {
            if (p.fraction() > 0.7) ::raise(SIGKILL); // while it is verified
        });
        (void)exportRun("dequantized", {f.model, *run, target, {}}, job);
    });
    QVERIFY(child.killedItself());
    QCOMPARE(names(parent_).size(), size_t(1));
    const std::filesystem::path left = parent_ / names(parent_)[0];
    QVERIFY(left != target && std::filesystem::exists(left / "model.safetensors"));
    QS_VERIFY_OK(exportRun("dequantized", {f.model, *run, parent_ / "other", {}}, {}));
    QVERIFY(std::filesystem::exists(left)); // another target's
    QS_VERIFY_OK(exportRun("dequantized", {f.model, *run, target, {}}, {}));
    QCOMPARE(names(parent_), (std::vector<std::string>{"killed", "other"}));
}

void ExportRun::unknownExporter() {
    const Fixture f = makeFixture();
    const auto run = runPlan(f, all(kGood), "run");
    QS_VERIFY_OK(run);
    const auto refused = exportRun("gguf9", {f.model, *run, parent_ / "out", {}}, JobContext());
    QVERIFY(!refused);
    QVERIFY(refused.error().message.find("gguf9") != std::string::npos);
    QVERIFY(refused.error().message.find("dequantized, gptq") != std::string::npos);
}

QS_TEST(ExportRun)
#include "tst_export_run.moc"
