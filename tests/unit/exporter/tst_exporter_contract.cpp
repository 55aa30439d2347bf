// SPDX-License-Identifier: Apache-2.0
// What every exporter of the registry promises, on the sample model quantized by the first scheme of the
// registries that the exporter has no objection to.
#include "core/export/exporter.h"
#include "core/run/planned_manifest.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> names(const fs::path& folder) {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder))
        out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
}

/// The codec's defaults with groups of 32 where it has groups, and each of these with one parameter changed.
std::vector<Params> variants(const CodecDescriptor& codec) {
    json base = json::object();
    for (const ParamSpec& s : codec.params)
        if (s.key == "group") base["group"] = 32;
    std::vector<json> all = {base};
    for (const ParamSpec& s : codec.params) {
        std::vector<json> values(s.choices.begin(), s.choices.end());
        if (s.type == ParamType::Int && s.maximum - s.minimum <= 16)
            for (auto v = int64_t(s.minimum); v <= int64_t(s.maximum); ++v)
                values.push_back(v);
        if (s.key == "block_rows") values.push_back(128);
        for (const json& v : values) {
            all.push_back(base);
            all.back()[s.key] = v;
        }
    }
    std::vector<Params> out;
    for (const json& j : all)
        if (auto p = Params::fromJson(codec.params, j, "variant")) out.push_back(std::move(*p));
    return out;
}

void flipByte(const fs::path& file, double at) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto place = std::streamoff(at * double(fs::file_size(file) - 1));
    f.seekg(place);
    const char byte = char(f.get());
    f.seekp(place);
    f.put(char(byte ^ 0x08));
}

} // namespace

class ExporterContract : public QObject {
    Q_OBJECT

    std::shared_ptr<const Model> model_;
    std::map<std::string, std::shared_ptr<const Run>> runs_; ///< by scheme
    std::map<std::string, fs::path> exported_;               ///< by exporter
    fs::path parent_;

    static void rows() {
        QTest::addColumn<int>("index");
        for (size_t i = 0; i < exporters().size(); ++i)
            QTest::addRow("%s", exporters()[i]->id.c_str()) << int(i);
    }
    static const ExporterDescriptor& entry() {
        QFETCH(int, index);
        return *exporters()[size_t(index)];
    }
    /// The first plan of the registries that nothing is said against, else the first without errors.
    std::optional<Plan> plan() const {
        std::optional<Plan> warnedOf;
        for (const CodecDescriptor* codec : codecs())
            for (const Params& params : variants(*codec))
                for (const MethodDescriptor* method : methods()) {
                    if (method->needs != Needs::Nothing) continue;
                    auto scheme = Scheme::make(codec->id, method->id);
                    if (!scheme) continue;
                    scheme->codecParams = params;
                    Plan p = resolvePlan(Recipe::uniform(*scheme), *model_);
                    const auto issues = entry().lint(*model_, p);
                    const bool objects = std::any_of(issues.begin(), issues.end(), [](const LintIssue& i) {
                        return i.severity == Severity::Error;
                    });
                    if (p.hasErrors() || objects) continue;
                    if (issues.empty()) return p;
                    if (!warnedOf) warnedOf = std::move(p);
                }
        return warnedOf;
    }
    ExportRequest request(const fs::path& target) {
        const auto p = plan();
        if (!p) qFatal("no scheme suits the exporter %s", entry().id.c_str());
        auto& run = runs_[p->fingerprint()];
        if (!run) {
            const auto backend = makeCpuBackend();
            RunOptions options;
            options.directory = scratchDir(("contract-run-" + p->fingerprint().substr(0, 8)).c_str());
            auto done = executePlan(*model_, *p, nullptr, options, *backend, {});
            if (!done) qFatal("%s", done.error().describe().c_str());
            run = *done;
        }
        return {model_, run, target, Params::defaults(entry().params)};
    }
    /// A copy of an export made once.
    fs::path copyOfExport(const std::string& name) {
        fs::path& made = exported_[entry().id];
        if (made.empty()) {
            made = scratchDir(("contract-" + entry().id).c_str()) / "export";
            const auto receipt = exportRun(entry().id, request(made), {});
            if (!receipt) qFatal("%s", receipt.error().describe().c_str());
        }
        const fs::path copy = parent_ / name;
        fs::copy(made, copy, fs::copy_options::recursive);
        return copy;
    }
    /// Found means: an error, or a receipt that is not verified and says why.
    bool isFoundIn(const fs::path& folder) {
        const auto receipt = verifyExport(model_, request({}).run, folder, {});
        return !receipt || (!receipt->verified && receipt->summary().starts_with("Not verified. ") &&
                            receipt->summary().size() > 20);
    }

private slots:
    void initTestCase() {
        auto model = openModel(sampleModel());
        QS_VERIFY_OK(model);
        model_ = *model;
    }
    void init() { parent_ = scratchDir("exporter-contract"); }

    void ids() {
        std::set<std::string> ids;
        for (const ExporterDescriptor* e : exporters()) {
            QVERIFY2(ids.insert(e->id).second, e->id.c_str());
            QVERIFY(*findExporter(e->id) == e);
        }
        QVERIFY(!findExporter("no such exporter"));
    }

    void described_data() { rows(); }
    void described() {
        const ExporterDescriptor& e = entry();
        QVERIFY(!e.label.empty() && !e.summary.empty() && !e.citation.empty() && !e.runtimes.empty());
        QVERIFY(e.lint && e.weightBytes && e.plannedBytes && e.write && e.verify);
        for (const ParamSpec& s : e.params)
            QVERIFY2(!s.label.empty() && !s.help.empty(), s.key.c_str());
    }

    void parametersRoundTrip_data() { rows(); }
    void parametersRoundTrip() {
        const Params p = Params::defaults(entry().params);
        const auto again = Params::fromJson(entry().params, p.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == p);
        const auto unknown = Params::fromJson(entry().params, {{"no_such_key", 1}}, "test");
        QVERIFY(!unknown);
        QVERIFY(unknown.error().message.find("no_such_key") != std::string::npos);
        // Also when they arrive inside a request.
        ExportRequest r = request(parent_ / "unknown");
        r.params = Params::defaults({ParamSpec::boolean("no_such_key", "", true, "")});
        const auto refused = exportRun(entry().id, r, {});
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("no_such_key") != std::string::npos,
                 refused.error().describe().c_str());
        QVERIFY(names(parent_).empty());
    }

    void issuesAreDeterministic_data() { rows(); }
    void issuesAreDeterministic() {
        std::vector<Plan> plans;
        plans.push_back(*plan());
        // Mixed widths inside fused groups, a tensor that is kept, another grouping: something to object to.
        std::vector<std::optional<Scheme>> schemes;
        for (size_t i = 0; i < model_->targets().size(); ++i) {
            schemes.emplace_back(*Scheme::make("int", "rtn"));
            schemes.back()->codecParams = *Params::fromJson(
                (*findCodec("int"))->params, {{"bits", 2 + int(i % 7)}, {"group", i % 3 ? 32 : -1}}, "t");
            if (i % 5 == 4) schemes.back().reset();
        }
        plans.push_back(planFromSchemes(schemes, *model_, 0));
        for (const Plan& p : plans) {
            const auto a = entry().lint(*model_, p), b = entry().lint(*model_, p);
            QCOMPARE(a.size(), b.size());
            for (size_t i = 0; i < a.size(); ++i) {
                QVERIFY(a[i].severity == b[i].severity && a[i].rule == b[i].rule &&
                        a[i].where == b[i].where && a[i].message == b[i].message);
                QVERIFY(!a[i].rule.empty() && !a[i].message.empty());
            }
        }
    }

    void exportVerifies_data() { rows(); }
    void exportVerifies() {
        const fs::path target = parent_ / "made";
        const auto receipt = exportRun(entry().id, request(target), {});
        QS_VERIFY_OK(receipt);
        QVERIFY(receipt->verified);
        QCOMPARE(receipt->exporter, entry().id);
        QCOMPARE(receipt->bytesWritten, receipt->bytesPlanned);
        QVERIFY(receipt->bytesWritten > 0 && !receipt->lines.empty());
        // Known to the byte before it was run.
        const auto manifest =
            plannedManifest(*model_, *plan(), nullptr, nullptr, makeCpuBackend()->description());
        QS_VERIFY_OK(manifest);
        const auto planned = plannedBytes(entry(), *model_, *plan(), *manifest);
        QS_VERIFY_OK(planned);
        QCOMPARE(*planned, receipt->bytesWritten);
        QCOMPARE(names(parent_), std::vector<std::string>{"made"});
        // Every file but the receipt itself has its hash in it.
        std::vector<std::string> hashed = {"receipt.json"};
        for (const auto& [name, hash] : receipt->files)
            hashed.push_back(name);
        std::sort(hashed.begin(), hashed.end());
        QCOMPARE(hashed, names(target));
        const auto again = verifyExport(model_, request({}).run, target, {});
        QS_VERIFY_OK(again);
        QVERIFY2(again->verified, again->summary().c_str());
        // The same run gives the same files.
        const fs::path second = parent_ / "again";
        const auto twin = exportRun(entry().id, request(second), {});
        QS_VERIFY_OK(twin);
        QVERIFY(twin->files == receipt->files);
    }

    void usedFolderIsRefused_data() { rows(); }
    void usedFolderIsRefused() {
        const fs::path target = parent_ / "used";
        fs::create_directory(target);
        std::ofstream(target / "mine.txt") << "mine";
        const auto refused = exportRun(entry().id, request(target), {});
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("used") != std::string::npos,
                 refused.error().describe().c_str());
        QCOMPARE(names(parent_), std::vector<std::string>{"used"});
        QCOMPARE(names(target), std::vector<std::string>{"mine.txt"});
        QVERIFY(!exportRun(entry().id, request(target / "mine.txt"), {}));
        QVERIFY(!exportRun(entry().id, request(parent_ / "no" / "parent"), {}));
        QVERIFY(!exportRun(entry().id, request({}), {}));
        QCOMPARE(names(parent_), std::vector<std::string>{"used"});
    }

    void cancelLeavesNothing_data() { rows(); }
    void cancelLeavesNothing() {
        const ExportRequest r = request(parent_ / "cancelled");
        for (const double at : {0.0, 0.2, 0.5, 0.65, 0.9}) {
            std::stop_source stop;
            if (at == 0) stop.request_stop();
            const JobContext job(stop.get_token(), [&](const Progress& p) {
                if (p.fraction() >= at) stop.request_stop();
            });
            const auto cancelled = exportRun(entry().id, r, job);
            QVERIFY2(cancelled.isCancelled(), std::to_string(at).c_str());
            QVERIFY2(names(parent_).empty(), std::to_string(at).c_str());
        }
    }

    void damageIsFound_data() { rows(); }
    void damageIsFound() {
        const fs::path whole = copyOfExport("whole");
        QVERIFY(!isFoundIn(whole));
        for (const std::string& name : names(whole)) {
            if (name == "receipt.json") continue;
            for (const double at : {0.0, 0.5, 1.0}) {
                const fs::path copy = copyOfExport("flipped");
                flipByte(copy / name, at);
                QVERIFY2(isFoundIn(copy), (name + " at " + std::to_string(at)).c_str());
                fs::remove_all(copy);
            }
            const fs::path cut = copyOfExport("cut");
            fs::resize_file(cut / name, fs::file_size(cut / name) / 2);
            QVERIFY2(isFoundIn(cut), name.c_str());
            fs::remove(cut / name);
            QVERIFY2(isFoundIn(cut), name.c_str());
            fs::remove_all(cut);
        }
        std::ofstream(whole / "added.safetensors") << "x";
        QVERIFY(isFoundIn(whole));
    }

    void damagedReceiptIsAnError_data() { rows(); }
    void damagedReceiptIsAnError() {
        const fs::path copy = copyOfExport("receipt");
        const std::string good = [&] {
            std::ifstream in(copy / "receipt.json");
            return std::string(std::istreambuf_iterator<char>(in), {});
        }();
        for (const std::string& text : {std::string(), good.substr(0, good.size() / 2), std::string("[]"),
                                        std::string("{\"schema\": \"else\"}")}) {
            std::ofstream(copy / "receipt.json", std::ios::trunc) << text;
            const auto refused = verifyExport(model_, request({}).run, copy, {});
            QVERIFY(!refused);
            QVERIFY2(refused.error().describe().find("receipt") != std::string::npos,
                     refused.error().describe().c_str());
        }
    }
};

QS_TEST(ExporterContract)
#include "tst_exporter_contract.moc"
