// SPDX-License-Identifier: Apache-2.0
// Runtimes by their rules: which formats of a plan load, why the others do not, and that a fix mends it.
#include "core/export/runtime_profiles.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

/// The plan's schemes with a fix applied, for planFromSchemes.
std::vector<std::optional<Scheme>> withFix(const Plan& plan, const SchemeFix& fix) {
    std::vector<std::optional<Scheme>> schemes;
    for (const PlanEntry& e : plan.entries)
        schemes.push_back(e.scheme);
    for (const auto& [index, scheme] : fix.schemes)
        if (index < schemes.size()) schemes[index] = scheme;
    return schemes;
}

const RuntimeProfile& profile(const char* id) {
    const auto p = findRuntimeProfile(id);
    if (!p) qFatal("%s", p.error().describe().c_str());
    return **p;
}

FormatVerdict verdict(const char* runtime, const char* exporter, const Model& model, const Plan& plan) {
    for (FormatVerdict& v : checkRuntime(profile(runtime), model, plan))
        if (v.exporter == exporter) return std::move(v);
    qFatal("%s does not open %s", runtime, exporter);
}

const RuntimeIssue* issueOf(const FormatVerdict& v, const std::string& rule) {
    for (const RuntimeIssue& i : v.issues)
        if (i.issue.rule == rule) return &i;
    return nullptr;
}

/// Applies the fix of a rule; the verdict then.
FormatVerdict mended(const char* runtime, const FormatVerdict& v, const char* rule, const Fixture& f,
                     const Plan& plan) {
    const RuntimeIssue* i = issueOf(v, rule);
    if (!i || i->fix.empty()) qFatal("no fix for %s", rule);
    const Plan again = planFromSchemes(withFix(plan, i->fix), *f.model, 0);
    return verdict(runtime, v.exporter.c_str(), *f.model, again);
}

Scheme integers(int bits, int group, const char* grid) {
    return intScheme({{"bits", bits}, {"group", group}, {"grid", grid}});
}

} // namespace

class RuntimeProfilesTest : public QObject {
    Q_OBJECT
private slots:
    void described() {
        std::set<std::string> ids;
        for (const RuntimeProfile& p : runtimeProfiles()) {
            QVERIFY(ids.insert(p.id).second);
            QVERIFY(!p.label.empty() && !p.version.empty() && !p.exporters.empty());
            for (const std::string& e : p.exporters)
                QVERIFY2(bool(findExporter(e)), e.c_str());
        }
        QCOMPARE(ids, (std::set<std::string>{"llama.cpp", "vllm", "transformers", "gptqmodel"}));
        const auto none = findRuntimeProfile("tgi");
        QVERIFY(!none);
        QVERIFY2(none.error().message.find("vllm") != std::string::npos, none.error().message.c_str());
    }

    void whatLoads() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget&) { return integers(4, 32, "symmetric"); });
        QVERIFY(verdict("vllm", "gptq", *f.model, plan).loads());
        QVERIFY(verdict("transformers", "gptq", *f.model, plan).loads());
        QVERIFY(verdict("gptqmodel", "gptq", *f.model, plan).loads());
        QVERIFY(verdict("llama.cpp", "gguf", *f.model, plan).loads());
        QCOMPARE(verdict("transformers", "dequantized", *f.model, plan).text(), std::string("loads"));
        // AWQ has 4 bits: the format says no, whichever runtime asks.
        const Plan three = planFor(f, [](const QuantTarget&) { return integers(3, 32, "symmetric"); });
        const FormatVerdict awq = verdict("gptqmodel", "awq", *f.model, three);
        QVERIFY(!awq.loads());
        QVERIFY2(awq.text().starts_with("does not load: "), awq.text().c_str());
        // [96, 64] and [64, 96] are no tiles of 64 x 128.
        QVERIFY(issueOf(verdict("vllm", "gptq", *f.model, plan), "vllm-tile"));
        QVERIFY(!issueOf(verdict("gptqmodel", "gptq", *f.model, plan), "vllm-tile"));
    }

    void zeroPoints() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget&) { return integers(4, 32, "asymmetric"); });
        QVERIFY(verdict("gptqmodel", "gptq", *f.model, plan).loads());
        const FormatVerdict v = verdict("vllm", "gptq", *f.model, plan);
        QVERIFY(!v.loads());
        QVERIFY(issueOf(v, "vllm-gptq-zeros"));
        QVERIFY2(v.text().find("38288") != std::string::npos, v.text().c_str());
        QVERIFY(mended("vllm", v, "vllm-gptq-zeros", f, plan).loads());
        // compressed-tensors takes zero points of 4 bits, not of 3.
        QVERIFY(verdict("vllm", "compressed_tensors", *f.model, plan).loads());
        const Plan three = planFor(f, [](const QuantTarget&) { return integers(3, 32, "asymmetric"); });
        const FormatVerdict ct = verdict("vllm", "compressed_tensors", *f.model, three);
        QVERIFY(!ct.loads());
        const FormatVerdict after = mended("vllm", ct, "vllm-ct-zeros", f, three);
        QVERIFY(after.loads());
        QVERIFY(issueOf(after, "vllm-ct-bits")); // still a remark
        QVERIFY(after.text().starts_with("loads, "));
    }

    void widths() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget&) { return integers(2, 32, "symmetric"); });
        const FormatVerdict v = verdict("vllm", "gptq", *f.model, plan);
        const RuntimeIssue* bits = issueOf(v, "vllm-gptq-bits");
        QVERIFY(bits && bits->issue.severity == Severity::Error);
        QVERIFY(bits->fix.empty()); // another width is the user's decision
        QVERIFY(verdict("transformers", "gptq", *f.model, plan).loads());
    }

    void groups() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget&) { return integers(4, 16, "symmetric"); });
        const FormatVerdict v = verdict("vllm", "gptq", *f.model, plan);
        QVERIFY(!v.loads());
        const RuntimeIssue* group = issueOf(v, "vllm-group");
        QVERIFY(group);
        for (const auto& [index, scheme] : group->fix.schemes) // rows of 64 and 96: the nearest is 32
            QCOMPARE(scheme->codecParams.integer("group"), 32LL);
        QVERIFY(mended("vllm", v, "vllm-group", f, plan).loads());
        const FormatVerdict ct = verdict("vllm", "compressed_tensors", *f.model, plan);
        QVERIFY(issueOf(ct, "vllm-group")->issue.severity == Severity::Warning);
        QVERIFY(ct.loads());
    }

    void fusedLinears() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "v") return integers(8, 32, "symmetric");
            if (t.role == "up") return std::nullopt;
            return integers(4, 32, "symmetric");
        });
        for (const char* format : {"gptq", "compressed_tensors"}) {
            const FormatVerdict v = verdict("vllm", format, *f.model, plan);
            QVERIFY2(!v.loads(), format);
            QVERIFY(mended("vllm", v, "fused-group", f, plan).loads());
        }
        // llama.cpp has no such rule, vLLM has it for GGUF, too.
        QVERIFY(verdict("llama.cpp", "gguf", *f.model, plan).loads());
        const FormatVerdict gguf = verdict("vllm", "gguf", *f.model, plan);
        QVERIFY(!gguf.loads());
        QVERIFY(mended("vllm", gguf, "vllm-fused", f, plan).loads());
        QVERIFY(verdict("vllm", "dequantized", *f.model, plan).loads());
        // A linear that is kept breaks the rule, too.
        const Plan kept = planFor(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "up") return std::nullopt;
            return integers(4, 32, "symmetric");
        });
        QVERIFY(!verdict("vllm", "gguf", *f.model, kept).loads());
        // The fix takes q's scheme for v and gate's for up, and touches nothing else.
        const SchemeFix& fix = issueOf(gguf, "vllm-fused")->fix;
        QCOMPARE(fix.schemes.size(), size_t(4)); // v and up of two blocks
        for (const auto& [index, scheme] : fix.schemes) {
            const std::string& role = plan.entries[index].target.role;
            QVERIFY(role == "v" || role == "up");
            QCOMPARE(scheme->codecParams.integer("bits"), 4LL);
        }
    }

    void oneSettingForTransformers() {
        const Fixture f = makeFixture();
        const Plan plan =
            planFor(f, [](const QuantTarget& t) { return integers(t.block == 0 ? 8 : 4, 32, "symmetric"); });
        QVERIFY(verdict("vllm", "gptq", *f.model, plan).loads());
        QVERIFY(verdict("gptqmodel", "gptq", *f.model, plan).loads());
        const FormatVerdict v = verdict("transformers", "gptq", *f.model, plan);
        QVERIFY(!v.loads());
        QVERIFY(mended("transformers", v, "transformers-dynamic", f, plan).loads());
        QVERIFY(verdict("transformers", "compressed_tensors", *f.model, plan).loads());
    }

    void experts() {
        const auto model = openModel(sourceDir() / "tests/golden/arch/mixtral");
        QS_VERIFY_OK(model);
        size_t expert = 0;
        std::vector<std::optional<Scheme>> schemes;
        for (const QuantTarget& t : (*model)->targets())
            schemes.push_back(integers(
                t.module.find(".experts.") != std::string::npos && expert++ == 1 ? 8 : 4, -1, "symmetric"));
        QVERIFY(expert > 1);
        const Plan plan = planFromSchemes(schemes, **model, 0);
        const FormatVerdict v = verdict("vllm", "compressed_tensors", **model, plan);
        const RuntimeIssue* fused = issueOf(v, "vllm-fused");
        QVERIFY(fused && fused->issue.severity == Severity::Error);
        QVERIFY(!issueOf(verdict("vllm", "compressed_tensors", **model,
                                 planFromSchemes(withFix(plan, fused->fix), **model, 0)),
                         "vllm-fused"));
    }

    /// What llama.cpp falls back to, offered instead of done silently.
    void rowsThatAreNoBlocks() {
        const Fixture f = makeFixture();
        const Plan plan = planFor(f, [](const QuantTarget&) { return schemeOf("ggml", {{"type", "q4_k"}}); });
        const FormatVerdict v = verdict("llama.cpp", "gguf", *f.model, plan);
        QVERIFY(!v.loads());
        const Plan after = planFromSchemes(withFix(plan, issueOf(v, "gguf-type")->fix), *f.model, 0);
        QVERIFY(verdict("llama.cpp", "gguf", *f.model, after).loads());
        for (const PlanEntry& e : after.entries)
            QCOMPARE(e.scheme->codecParams.choice("type"), std::string("q5_0"));
    }
};

QS_TEST(RuntimeProfilesTest)
#include "tst_runtime_profiles.moc"
