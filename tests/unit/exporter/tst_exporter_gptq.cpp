// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"
#include "core/export/verify.h"
#include "tests/unit/exporter/packed_export.h"

#include <regex>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

/// Field `i` of a row of words, by the layout's description (not for 3 bits).
int field(uint32_t word, int bits, size_t i) {
    return int(word >> (size_t(bits) * i) & ((1u << bits) - 1));
}

/// What a runtime does with `dynamic`: the first rule whose regex matches at the start decides.
std::optional<ordered_json> resolved(const ordered_json& settings, const std::string& name) {
    const ordered_json rules = settings.value("dynamic", ordered_json::object());
    for (const auto& [rule, values] : rules.items()) {
        const std::regex pattern(rule.substr(2));
        if (!std::regex_search(name, pattern, std::regex_constants::match_continuous)) continue;
        if (rule.starts_with("-:")) return std::nullopt;
        ordered_json merged = settings;
        merged.update(values);
        return merged;
    }
    return settings;
}

} // namespace

class Exporter_gptq : public QObject {
    Q_OBJECT
private slots:
    void roundTrip_data();
    void roundTrip();
    void wordsByDefinition();
    void symmetricZeroWords();
    void configKeepsTheRest();
    void keptTensorsAndBias();
    void dynamicRules();
    void allKeptKindsAreSkipped();
    void perTensorScaleIsRepeated();
    void actOrderMustAgreeInAFusedGroup();
    void whatCannotBeHeldIsRefusedBeforeWriting();
    void lint_data();
    void lint();
    void lintWarnings();
    void lintNeedsArchitectureAndConfig();
    void damageIsFound();
    void shardsStay();
};

void Exporter_gptq::roundTrip_data() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("group");
    QTest::addColumn<QString>("grid");
    QTest::addColumn<bool>("actOrder");
    const auto row = [](int bits, int group, const char* grid, bool actOrder) {
        QTest::addRow("%d bits, group %d, %s%s", bits, group, grid, actOrder ? ", act-order" : "")
            << bits << group << grid << actOrder;
    };
    for (int bits : {2, 3, 4, 8})
        for (const char* grid : {"symmetric", "asymmetric"}) {
            row(bits, -1, grid, false);
            row(bits, 32, grid, false);
            row(bits, 32, grid, true);
        }
    row(4, 16, "absmax", false);
    row(4, 16, "minmax", false);
}

void Exporter_gptq::roundTrip() {
    QFETCH(int, bits);
    QFETCH(int, group);
    QFETCH(QString, grid);
    QFETCH(bool, actOrder);
    Fixture f = makeFixture();
    const ExportSource s =
        sourceFor(f, everywhere({{"bits", bits}, {"group", group}, {"grid", grid.toStdString()}}), actOrder);
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    QCOMPARE(w->receipt.maxDelta, 0.0);
    QCOMPARE(w->receipt.bytesPlanned, uint64_t(std::filesystem::file_size(w->folder / "model.safetensors")));

    const bool symmetric = grid == "symmetric" || grid == "absmax";
    QCOMPARE(w->settings.at("bits").get<int>(), bits);
    QCOMPARE(w->settings.at("group_size").get<int>(), group);
    QCOMPARE(w->settings.at("sym").get<bool>(), symmetric);
    QCOMPARE(w->settings.at("desc_act").get<bool>(), actOrder);
    QVERIFY(!w->settings.contains("dynamic"));
    QCOMPARE(w->settings.at("checkpoint_format").get<std::string>(),
             std::string(symmetric && (bits == 4 || bits == 8) ? "gptq" : "gptq_v2"));

    const auto weights = checkpointWeights(w->checkpoint);
    for (const auto& [module, q] : f.tensors) {
        const auto values = weights->matrix("model." + module + ".weight");
        QS_VERIFY_OK(values);
        QCOMPARE(values->rows(), q.rows);
        QCOMPARE(values->cols(), q.cols);
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < q.cols; ++c)
                QVERIFY((*values)(r, c) == valueAt(q, r, c));
    }
    // The packed folder is a model again.
    const auto model = openModel(w->folder);
    QS_VERIFY_OK(model);
    QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
}

// Independent of the unpacker: fields picked out of the words as the layout is written down.
void Exporter_gptq::wordsByDefinition() {
    Fixture f = makeFixture();
    const ExportSource s = sourceFor(f, everywhere({{"bits", 2}, {"group", 32}}), true);
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    const QuantizedTensor& q = f.tensors.at("layers.0.mlp.up_proj"); // [96, 64], 2 groups
    const std::string p = "model.layers.0.mlp.up_proj.";
    const auto qweight = rawValues<uint32_t>(*w->checkpoint, p + "qweight"),
               qzeros = rawValues<uint32_t>(*w->checkpoint, p + "qzeros");
    const auto scales = rawValues<uint16_t>(*w->checkpoint, p + "scales");
    const auto index = rawValues<int32_t>(*w->checkpoint, p + "g_idx");
    using Shape = std::vector<uint64_t>;
    const auto shapeOf = [&](const char* part) {
        return w->checkpoint->tensors()[w->checkpoint->find(p + part)].shape;
    };
    QVERIFY(shapeOf("qweight") == (Shape{64 * 2 / 32, 96}));
    QVERIFY(shapeOf("qzeros") == (Shape{2, 96 * 2 / 32}));
    QVERIFY(shapeOf("scales") == (Shape{2, 96}));
    QVERIFY(shapeOf("g_idx") == (Shape{64}));
    for (size_t k = 0; k < 64; ++k)
        for (size_t n = 0; n < 96; ++n)
            QCOMPARE(field(qweight[k / 16 * 96 + n], 2, k % 16), int(q.codes[n * 64 + k]));
    for (size_t g = 0; g < 2; ++g)
        for (size_t n = 0; n < 96; ++n) {
            QCOMPARE(field(qzeros[g * 6 + n / 16], 2, n % 16), int(q.zero(n, g))); // version 2: as it is
            QCOMPARE(halfToFloat(scales[g * 96 + n]), q.scale(n, g));
        }
    QCOMPARE(index, q.groupOfColumn);
}

void Exporter_gptq::symmetricZeroWords() {
    for (const auto& [bits, word] : {std::pair(4, 0x77777777u), std::pair(8, 0x7f7f7f7fu)}) {
        Fixture f = makeFixture();
        const ExportSource s =
            sourceFor(f, everywhere({{"bits", bits}, {"group", 32}, {"grid", "symmetric"}}));
        const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
        QS_VERIFY_OK(w);
        const auto zeros = rawValues<uint32_t>(*w->checkpoint, "model.layers.1.self_attn.q_proj.qzeros");
        QVERIFY(!zeros.empty());
        for (uint32_t z : zeros)
            QCOMPARE(z, word);
        const auto index = rawValues<int32_t>(*w->checkpoint, "model.layers.1.mlp.down_proj.g_idx");
        QCOMPARE(index.size(), size_t(96));
        for (size_t k = 0; k < index.size(); ++k)
            QCOMPARE(index[k], int32_t(k / 32));
    }
}

void Exporter_gptq::configKeepsTheRest() {
    Fixture f = makeFixture();
    const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}));
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    auto config = ordered_json::parse(readAll(w->folder / "config.json"));
    QVERIFY(ordered_json::parse(readAll(w->folder / "quantize_config.json")) ==
            config.at("quantization_config"));
    QCOMPARE(config.at("quantization_config").at("quant_method").get<std::string>(), std::string("gptq"));
    config.erase("quantization_config");
    QCOMPARE(config.dump(), ordered_json::parse(configText()).dump()); // same keys, values and order
    QCOMPARE(readAll(w->folder / "special_tokens_map.json"), readAll(f.folder / "special_tokens_map.json"));
    QCOMPARE(readAll(w->folder / "quantoscope.json"), s.sidecar);
}

void Exporter_gptq::keptTensorsAndBias() {
    Fixture f = makeFixture(DType::BF16);
    const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}));
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    const Checkpoint& original = f.model->checkpoint();
    size_t kept = 0;
    for (const TensorInfo& t : original.tensors()) {
        if (t.name.ends_with("_proj.weight")) {
            QCOMPARE(w->checkpoint->find(t.name), Checkpoint::npos);
            continue;
        }
        ++kept;
        QVERIFY2(sameTensor(original, *w->checkpoint, t.name), t.name.c_str());
    }
    QCOMPARE(w->checkpoint->tensors().size(), kept + 4 * 14);
    QVERIFY(w->checkpoint->find("model.layers.0.self_attn.q_proj.bias") != Checkpoint::npos);
}

void Exporter_gptq::dynamicRules() {
    Fixture f = makeFixture();
    const auto schemes = [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.module == "layers.0.self_attn.o_proj" || (t.block == 1 && t.fusedGroup.ends_with("gate_up")))
            return std::nullopt;
        if (t.block == 1 && t.fusedGroup.ends_with("qkv"))
            return intScheme({{"bits", 8}, {"group", -1}, {"grid", "symmetric"}});
        if (t.module == "layers.0.mlp.down_proj")
            return intScheme({{"bits", 4}, {"group", 16}, {"grid", "symmetric"}});
        return intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
    };
    const ExportSource s = sourceFor(f, schemes);
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    bool positiveSeen = false;
    for (const auto& [rule, values] : w->settings.at("dynamic").items()) {
        positiveSeen = positiveSeen || rule.starts_with("+:");
        QVERIFY(!(positiveSeen && rule.starts_with("-:"))); // negatives first
        QVERIFY(rule.substr(2).starts_with("^") && rule.ends_with("$"));
    }
    QCOMPARE(w->settings.at("dynamic").size(), size_t(4));
    for (const PlanEntry& e : s.plan.entries) {
        const auto found = resolved(w->settings, "model." + e.target.module);
        QCOMPARE(found.has_value(), e.scheme.has_value());
        if (!found) continue;
        QCOMPARE(found->at("bits").get<long long>(), e.scheme->codecParams.integer("bits"));
        QCOMPARE(found->at("group_size").get<long long>(), e.scheme->codecParams.integer("group"));
        QCOMPARE(found->at("sym").get<bool>(), true);
    }
    // The names that vLLM fuses under.
    QCOMPARE(resolved(w->settings, "model.layers.1.self_attn.qkv_proj")->at("bits").get<int>(), 8);
    QCOMPARE(resolved(w->settings, "model.layers.0.self_attn.qkv_proj")->at("bits").get<int>(), 4);
    QVERIFY(!resolved(w->settings, "model.layers.1.mlp.gate_up_proj"));
    QVERIFY(resolved(w->settings, "model.layers.0.mlp.gate_up_proj"));
    // Another block whose number starts the same, and a name that goes on, are not caught.
    QCOMPARE(resolved(w->settings, "model.layers.11.self_attn.qkv_proj")->at("bits").get<int>(), 4);
    QVERIFY(resolved(w->settings, "model.layers.0.self_attn.o_proj2"));
    QVERIFY(resolved(w->settings, "modelXlayers.0.self_attn.o_proj"));
}

void Exporter_gptq::allKeptKindsAreSkipped() {
    Fixture f = makeFixture();
    const auto schemes = [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role != "down") return std::nullopt;
        return intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
    };
    const ExportSource s = sourceFor(f, schemes);
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    for (const PlanEntry& e : s.plan.entries)
        QCOMPARE(resolved(w->settings, "model." + e.target.module).has_value(), e.target.role == "down");
}

void Exporter_gptq::perTensorScaleIsRepeated() {
    Fixture f = makeFixture();
    const ExportSource s = sourceFor(f, everywhere({{"bits", 8}, {"group", 0}, {"grid", "absmax"}}));
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    QCOMPARE(w->settings.at("group_size").get<int>(), -1);
    const auto scales = rawValues<uint16_t>(*w->checkpoint, "model.layers.0.mlp.gate_proj.scales");
    QCOMPARE(scales.size(), size_t(96));
    for (uint16_t v : scales)
        QCOMPARE(halfToFloat(v), f.tensors.at("layers.0.mlp.gate_proj").scale(0, 0));
}

void Exporter_gptq::actOrderMustAgreeInAFusedGroup() {
    Fixture f = makeFixture();
    const ExportSource s =
        sourceFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}), true);
    QS_VERIFY_OK(exportPacked(s, makeGptqFormat, "gptq-out"));
    auto& order = f.tensors.at("layers.1.self_attn.v_proj").groupOfColumn;
    const auto other = std::find_if(order.begin(), order.end(), [&](int32_t g) { return g != order[0]; });
    std::iter_swap(order.begin(), other);
    const auto folder = scratchDir("gptq-refused");
    const auto refused = writePacked(s, makeGptqFormat, folder, JobContext());
    QVERIFY(!refused);
    QVERIFY2(refused.error().describe().find("layers.1.self_attn.q_proj") != std::string::npos,
             refused.error().describe().c_str());
    QVERIFY(std::filesystem::is_empty(folder));
}

void Exporter_gptq::whatCannotBeHeldIsRefusedBeforeWriting() {
    const auto attempt = [](const json& params, const std::function<void(QuantizedTensor&)>& edit) {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere(params));
        edit(f.tensors.at("layers.1.mlp.down_proj"));
        const auto folder = scratchDir("gptq-refused");
        const auto written = writePacked(s, makeGptqFormat, folder, JobContext());
        if (written || !std::filesystem::is_empty(folder)) return std::string("written");
        return written.error().describe();
    };
    const json sym = {{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}, asym = {{"bits", 4}, {"group", 32}};
    const auto says = [](const std::string& message, const char* text) {
        return message.find(text) != std::string::npos &&
               message.find("layers.1.mlp.down_proj") != std::string::npos;
    };
    QVERIFY(says(attempt(sym, [](auto& q) { q.scale(2, 1) = 0.1f; }), "not an F16 value"));
    QVERIFY(says(attempt(sym, [](auto& q) { q.zero(2, 1) = 7; }), "symmetric"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.zero(2, 1) = 7.5f; }), "zero point 7.5"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.zero(2, 1) = -1; }), "zero point -1"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.zero(2, 1) = 16; }), "zero point 16"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.zero(2, 1) = NAN; }), "not finite"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.scale(0, 0) = INFINITY; }), "not finite"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.codes[9] = 16; }), "code 16"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.codes.pop_back(); }), "codes"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.rows = 32; }), "shape"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.groupOfColumn.assign(q.cols, 3); }), "group 3"));
    QVERIFY(says(attempt(asym, [](auto& q) { q.codecParams = intParams({{"bits", 3}}); }), "the plan says"));
}

void Exporter_gptq::lint_data() {
    QTest::addColumn<SchemeOf>("schemes");
    QTest::addColumn<QString>("rule");
    const json good = {{"bits", 4}, {"group", 32}, {"grid", "symmetric"}};
    const auto row = [](const char* rule, const char* name, SchemeOf schemes) {
        QTest::newRow(name) << schemes << QString(rule);
    };
    for (int bits : {5, 6, 7})
        row("gptq-bits", qPrintable(QString("%1 bits").arg(bits)),
            everywhere({{"bits", bits}, {"group", 32}}));
    row("gptq-scale-type", "f32 scales", everywhere({{"bits", 4}, {"group", 32}, {"scale_dtype", "f32"}}));
    row("gptq-scale-type", "bf16 scales", everywhere({{"bits", 4}, {"group", 32}, {"scale_dtype", "bf16"}}));
    row("group-divides-row", "group 64 of 96", everywhere({{"bits", 4}, {"group", 64}}));
    row("nothing-quantized", "nothing", [](const auto&) { return std::nullopt; });
    row("fused-group", "k kept", [=](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role == "k") return std::nullopt;
        return intScheme(good);
    });
    row("fused-group", "q kept", [=](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role == "q") return std::nullopt;
        return intScheme(good);
    });
    row("fused-group", "up of other bits", [=](const QuantTarget& t) -> std::optional<Scheme> {
        auto params = good;
        if (t.role == "up") params["bits"] = 8;
        return intScheme(params);
    });
    row("gptq-codec", "another codec", [=](const QuantTarget& t) -> std::optional<Scheme> {
        Scheme s = intScheme(good);
        if (t.role == "down") s.codec = "nf4";
        return s;
    });
}

void Exporter_gptq::lint() {
    QFETCH(SchemeOf, schemes);
    QFETCH(QString, rule);
    Fixture f = makeFixture();
    const auto issues = lintGptq(*f.model, planFor(f, schemes));
    QVERIFY(hasRule(issues, rule.toStdString(), Severity::Error));
    for (const LintIssue& i : issues)
        if (i.severity == Severity::Error) QCOMPARE(i.rule, rule.toStdString());
}

void Exporter_gptq::lintWarnings() {
    Fixture f = makeFixture();
    QVERIFY(lintGptq(*f.model, planFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}})))
                .empty());
    QVERIFY(hasRule(lintGptq(*f.model, planFor(f, everywhere({{"bits", 4}, {"group", 32}}))), "gptq-v2",
                    Severity::Warning));
    QVERIFY(
        hasRule(lintGptq(*f.model, planFor(f, everywhere({{"bits", 8}, {"group", 16}, {"grid", "absmax"}}))),
                "gptq-group", Severity::Warning));
    const auto kept = [](const QuantTarget& t) -> std::optional<Scheme> {
        if (t.role == "o") return std::nullopt;
        return intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
    };
    QVERIFY(hasRule(lintGptq(*f.model, planFor(f, kept)), "gptq-dynamic", Severity::Warning));
    Plan plan = planFor(f, kept);
    plan.entries[0].target.rows = 48;
    plan.entries[0].target.packed = std::make_shared<const PackedInfo>();
    const auto issues = lintGptq(*f.model, plan);
    QVERIFY(hasRule(issues, "gptq-shape", Severity::Error));
    QVERIFY(hasRule(issues, "source-packed", Severity::Error));
}

void Exporter_gptq::lintNeedsArchitectureAndConfig() {
    const Fixture f = makeFixture();
    // Away from its folder a weight file has no config.
    const auto file = scratchDir("gptq-lone") / "weights.safetensors";
    std::filesystem::copy_file(f.folder / "model.safetensors", file);
    const auto lone = openModel(file);
    QS_VERIFY_OK(lone);
    Fixture tensors;
    tensors.model = *lone;
    QVERIFY(!tensors.model->hasForward());
    const auto issues = lintGptq(
        *tensors.model, planFor(tensors, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}})));
    QVERIFY(hasRule(issues, "gptq-config", Severity::Error));
    QVERIFY(hasRule(issues, "gptq-layout", Severity::Error));
}

void Exporter_gptq::damageIsFound() {
    const std::string p = "model.layers.0.self_attn.k_proj.";
    for (const char* part : {"qweight", "qzeros", "scales", "g_idx"}) {
        Fixture f = makeFixture();
        const ExportSource s =
            sourceFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}), true);
        const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
        QS_VERIFY_OK(w);
        const size_t i = w->checkpoint->find(p + part);
        const auto bytes = w->checkpoint->rawBytes(i);
        QS_VERIFY_OK(bytes);
        const std::string whole = readAll(w->folder / "model.safetensors");
        // g_idx is shared by q, k and v, qzeros by all: any copy will do, the check must see it.
        const size_t at =
            whole.find(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
        QVERIFY(at != std::string::npos);
        std::fstream out(w->folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
        out.seekp(std::streamoff(at));
        out.put(char(whole[at] ^ 1));
        out.close();
        const auto again = verifyPacked(s, makeGptqFormat, w->folder, JobContext());
        QS_VERIFY_OK(again);
        QVERIFY2(!again->verified, part);
        QVERIFY2(firstDifference(*again).find("differ") != std::string::npos, again->summary().c_str());
    }
    Fixture f = makeFixture();
    const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}));
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    auto settings = w->settings;
    settings["desc_act"] = true;
    std::ofstream(w->folder / "quantize_config.json") << settings.dump();
    const auto again = verifyPacked(s, makeGptqFormat, w->folder, JobContext());
    QS_VERIFY_OK(again);
    QVERIFY(!again->verified);
    QVERIFY(firstDifference(*again).starts_with("quantize_config.json"));
}

void Exporter_gptq::shardsStay() {
    Fixture f = makeFixture(DType::F16, true);
    const ExportSource s = sourceFor(f, everywhere({{"bits", 3}, {"group", 32}}));
    const auto w = exportPacked(s, makeGptqFormat, "gptq-out");
    QS_VERIFY_OK(w);
    QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
    for (const PlanEntry& e : s.plan.entries) {
        const std::string& shard = f.model->checkpoint().tensors()[e.target.place.index].file;
        for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) {
            const size_t i = w->checkpoint->find("model." + e.target.module + part);
            QVERIFY(i != Checkpoint::npos);
            QCOMPARE(w->checkpoint->tensors()[i].file, shard);
        }
    }
}

QS_TEST(Exporter_gptq)
#include "tst_exporter_gptq.moc"
