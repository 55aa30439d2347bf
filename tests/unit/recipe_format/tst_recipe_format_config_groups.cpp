// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/recipe_format/recipe_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {
Scheme integers(int bits, long long group, const char* grid) {
    return scheme("int", "gptq", {{"bits", bits}, {"group", group}, {"grid", grid}});
}
Scheme with(Scheme s, const char* inputs) {
    s.inputs = InputScheme::preset(inputs).value();
    return s;
}
} // namespace

class RecipeFormat_config_groups : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        const auto r =
            readAs("config_groups", R"({"quantization_config": {"quant_method": "compressed-tensors",
            "format": "mixed-precision", "ignore": ["re:.*down_proj"], "config_groups": {
            "all": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 64, "symmetric": false,
                    "strategy": "group"}},
            "eight": {"targets": ["re:.*self_attn.*"], "weights": {"num_bits": 8, "strategy": "channel",
                      "symmetric": true}, "input_activations": {"num_bits": 8, "strategy": "token",
                      "dynamic": true}},
            "one": {"targets": ["model.layers.3.self_attn.o_proj"], "weights": {"num_bits": 8, "type": "float",
                    "strategy": "channel"}}}}})",
                   integers(4, 32, "absmax"));
        QS_VERIFY_OK(r);
        const auto at = [&](const char* module) { return r->schemes[targetOf(*sample(), module)]; };
        QVERIFY(!at("layers.0.mlp.down_proj"));
        QVERIFY(at("layers.0.mlp.up_proj") == integers(4, 64, "asymmetric"));
        // Symmetric like the flags' grid, so it is that one.
        QVERIFY(at("layers.0.self_attn.q_proj") == with(integers(8, -1, "absmax"), "int8"));
        Scheme fp8 = scheme("float", "gptq", {{"format", "e4m3"}, {"group", -1}});
        QVERIFY(at("layers.3.self_attn.o_proj") == fp8);
        QCOMPARE(r->patterns[0].matched, size_t(24)); // all but down_proj
        QCOMPARE(r->patterns[1].matched, size_t(16));
        QCOMPARE(r->patterns[2].matched, size_t(1));
    }

    void roundTripsAndRefusals() {
        roundTrips("config_groups", {std::nullopt, integers(4, 64, "symmetric"), integers(8, -1, "symmetric"),
                                     integers(3, 32, "symmetric")});
        roundTrips("config_groups",
                   {std::nullopt, with(scheme("float", "rtn", {{"format", "e4m3"}, {"group", -1}}), "fp8"),
                    scheme("float", "rtn", {{"format", "e4m3"}, {"group", 0}})});
        roundTrips("config_groups", {with(scheme("nvfp4", "rtn", nlohmann::json::object()), "nvfp4"),
                                     scheme("mx", "rtn", {{"format", "mxfp4"}}),
                                     scheme("mx", "rtn", {{"format", "mxfp8_e4m3"}})});
        const Scheme base = integers(4, 64, "symmetric");
        const auto config = [](const char* weights, const char* targets = "Linear") {
            return QStringLiteral(R"({"config_groups": {"g": {"targets": ["%1"], "weights": %2}}})")
                .arg(targets, weights)
                .toStdString();
        };
        refused(
            readAs("config_groups", config(R"({"num_bits": 4, "type": "float", "group_size": 64})"), base),
            "group_size 64");
        refused(readAs("config_groups", config(R"({"num_bits": 4, "group_size": 64})", "re:nothing"), base),
                "'g' matches none");
        refused(readAs("config_groups", R"({"bits": 4})", base), "config_groups");
        std::vector<std::optional<Scheme>> schemes(28, base);
        schemes[5] = scheme("ternary", "gptq", nlohmann::json::object());
        refused(writeAs("config_groups", schemes), "has no layout for");
    }
};

QS_TEST(RecipeFormat_config_groups)
#include "tst_recipe_format_config_groups.moc"
