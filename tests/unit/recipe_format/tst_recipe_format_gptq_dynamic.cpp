// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/recipe_format/recipe_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {
Scheme integers(int bits, long long group, const char* grid, bool order = false) {
    Scheme s = scheme("int", "gptq", {{"bits", bits}, {"group", group}, {"grid", grid}});
    auto params = s.methodParams.toJson();
    params["act_order"] = order;
    s.methodParams = Params::fromJson((*findMethod("gptq"))->params, params, "test").value();
    return s;
}
} // namespace

class RecipeFormat_gptq_dynamic : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        const auto r = readAs("gptq_dynamic",
                              R"({"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": true,
                                  "desc_act": true, "dynamic": {
                                  "-:.*\\.down_proj$": {},
                                  "+:^model\\.layers\\.0\\.self_attn\\.q_proj$": {"bits": 8, "group_size": -1},
                                  "model\\.layers\\.0\\.self_attn": {"bits": 3}}})",
                              integers(2, 32, "asymmetric"));
        QS_VERIFY_OK(r);
        const auto at = [&](const char* module) { return r->schemes[targetOf(*sample(), module)]; };
        QVERIFY(!at("layers.2.mlp.down_proj"));
        QVERIFY(at("layers.0.self_attn.q_proj") == integers(8, -1, "symmetric", true));
        QVERIFY(at("layers.0.self_attn.o_proj") == integers(3, 64, "symmetric", true));
        QVERIFY(at("layers.1.self_attn.q_proj") == integers(4, 64, "symmetric", true));
        QCOMPARE(r->patterns[0].matched, size_t(4));
        QCOMPARE(r->patterns[1].matched, size_t(1));
        QCOMPARE(r->patterns[2].matched, size_t(4));
        QVERIFY(r->notes.empty());
    }

    /// The map alone: what no rule matches is as the flags say.
    void bareRules() {
        const auto r = readAs("gptq_dynamic", R"({"+:.*up_proj": {"bits": 8}, "-:.*v_proj": {}})",
                              integers(3, 32, "asymmetric"));
        QS_VERIFY_OK(r);
        const auto at = [&](const char* module) { return r->schemes[targetOf(*sample(), module)]; };
        QVERIFY(at("layers.1.mlp.up_proj") == integers(8, 32, "asymmetric"));
        QVERIFY(at("layers.1.mlp.gate_proj") == integers(3, 32, "asymmetric"));
        QVERIFY(!at("layers.1.self_attn.v_proj"));
    }

    void roundTripsAndRefusals() {
        roundTrips("gptq_dynamic", {std::nullopt, integers(4, 64, "symmetric"), integers(8, 64, "symmetric"),
                                    integers(3, -1, "symmetric"), integers(2, 32, "symmetric")});
        roundTrips("gptq_dynamic", {integers(4, 32, "asymmetric", true), std::nullopt});
        const Scheme base = integers(4, 64, "symmetric");
        refused(readAs("gptq_dynamic", R"({"bits": 4, "group_size": 64, "dynamic": {"+:none": {"bits": 8}}})",
                       base),
                "'+:none' matches none");
        refused(readAs("gptq_dynamic", R"({"bits": 9, "group_size": 64})", base), "bits");
        refused(readAs("gptq_dynamic", R"([4])", base), "must be a JSON object");
        std::vector<std::optional<Scheme>> schemes(28, base);
        schemes[1] = integers(8, 64, "symmetric"); // k alone: runtimes fuse it with q and v
        refused(writeAs("gptq_dynamic", schemes), "k_proj");
        schemes[1] = base;
        schemes[27] = scheme("nf", "gptq", {{"bits", 4}});
        refused(writeAs("gptq_dynamic", schemes), "holds integers only");
    }
};

QS_TEST(RecipeFormat_gptq_dynamic)
#include "tst_recipe_format_gptq_dynamic.moc"
