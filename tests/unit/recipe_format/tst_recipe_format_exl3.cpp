// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/recipe_format/recipe_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {
Scheme integers(int bits) {
    return scheme("int", "gptq", {{"bits", bits}, {"group", 64}, {"grid", "symmetric"}});
}
} // namespace

class RecipeFormat_exl3 : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        const auto r = readAs("exl3",
                              "target_bpw: 3.14 # asked\nachieved_bpw: 3.1398\nhead_bits: 6\ntensors:\n"
                              "  model.layers.0.self_attn.q_proj: 2\n"
                              "  'model.layers.3.mlp.down_proj': 8\r\n",
                              integers(4));
        QS_VERIFY_OK(r);
        for (size_t t = 0; t < 28; ++t) {
            const std::string& module = sample()->targets()[t].module;
            if (module == "layers.0.self_attn.q_proj")
                QVERIFY(r->schemes[t] == integers(2));
            else if (module == "layers.3.mlp.down_proj")
                QVERIFY(r->schemes[t] == integers(8));
            else
                QVERIFY(!r->schemes[t]);
        }
        QCOMPARE(r->patterns.size(), size_t(2));
        QCOMPARE(r->notes.size(), size_t(3)); // both targets, and a head that is tied to the embedding
    }

    void roundTripsAndRefusals() {
        roundTrips("exl3", {integers(2), integers(3), integers(4), integers(8)});
        const Scheme base = integers(4);
        refused(readAs("exl3", "tensors:\n  model.layers.9.mlp.up_proj: 3\n", base), "matches none");
        refused(readAs("exl3", "tensors:\n  model.layers.0.mlp.up_proj: 3.5\n", base), "bits must be 1 .. 8");
        refused(readAs("exl3", "tensors:\n  what is this\n", base), "line 2");
        refused(readAs("exl3", "tensors:\n", base), "names no linear");
        refused(readAs("exl3", "tensors:\n  model.layers.0.mlp.up_proj: 3\n",
                       scheme("nvfp4", "rtn", nlohmann::json::object())),
                "has 4 bits, not 3");
        std::vector<std::optional<Scheme>> schemes(28, base);
        schemes[4] = std::nullopt;
        refused(writeAs("exl3", schemes), "this one is kept");
        schemes[4] = scheme("int", "gptq", {{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
        refused(writeAs("exl3", schemes), "gate_proj"); // groups differ: bits do not say it
    }
};

QS_TEST(RecipeFormat_exl3)
#include "tst_recipe_format_exl3.moc"
