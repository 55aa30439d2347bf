// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/recipe_format/recipe_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {
Scheme ggml(const char* type, const char* method = "imatrix") {
    return scheme("ggml", method, {{"type", type}});
}
} // namespace

class RecipeFormat_llama_quantize : public QObject {
    Q_OBJECT
private slots:
    /// The first pattern that is found anywhere in the lower-case name decides, as llama-quantize documents.
    void byHand() {
        const auto r = readAs("llama_quantize",
                              "--tensor-type blk\\.0\\.attn_q=q8_0 --tensor-type \"ATTN_(q|k)=Q4_K\"\n"
                              "ffn_down=f16 token_embd=q6_K attn_q\\.weight$=q2_K",
                              ggml("q5_0"));
        QS_VERIFY_OK(r);
        const auto at = [&](const char* module) { return r->schemes[targetOf(*sample(), module)]; };
        QVERIFY(at("layers.0.self_attn.q_proj") == ggml("q8_0"));
        QVERIFY(at("layers.1.self_attn.q_proj") == ggml("q4_k"));
        QVERIFY(at("layers.0.self_attn.k_proj") == ggml("q4_k"));
        QVERIFY(!at("layers.2.mlp.down_proj")); // kept
        QVERIFY(!at("layers.2.mlp.up_proj"));   // no pattern
        QCOMPARE(r->patterns.size(), size_t(4));
        QCOMPARE(r->patterns[0].matched, size_t(1));
        QCOMPARE(r->patterns[1].text, std::string("ATTN_(q|k)=Q4_K"));
        QCOMPARE(r->patterns[1].matched, size_t(8)); // q and k of 4 blocks
        QCOMPARE(r->patterns[2].matched, size_t(4));
        QCOMPARE(r->patterns[3].matched, size_t(4));
        QCOMPARE(r->notes.size(), size_t(3));
        QVERIFY(r->notes[0].find("16 linears match no pattern") == 0); // v, o, gate, up of 4 blocks
        QVERIFY(r->notes[1].find("'token_embd=q6_K' is for token_embd.weight") == 0);
        QVERIFY(r->notes[2].find("'attn_q\\.weight$=q2_K' decides nothing") == 0);
    }

    void writesFewPatterns() {
        std::vector<std::optional<Scheme>> schemes(sample()->targets().size(), ggml("q4_k"));
        schemes[targetOf(*sample(), "layers.1.mlp.down_proj")] = ggml("q6_k");
        schemes[targetOf(*sample(), "layers.3.mlp.down_proj")] = ggml("q6_k");
        schemes[targetOf(*sample(), "layers.2.self_attn.v_proj")] = std::nullopt;
        const auto text = writeAs("llama_quantize", schemes);
        QS_VERIFY_OK(text);
        QCOMPARE(QString::fromStdString(*text), QStringLiteral("^blk\\.\\d+\\.attn_q\\.weight$=q4_k\n"
                                                               "^blk\\.\\d+\\.attn_k\\.weight$=q4_k\n"
                                                               "^blk\\.(2)\\.attn_v\\.weight$=f16\n"
                                                               "^blk\\.(0|1|3)\\.attn_v\\.weight$=q4_k\n"
                                                               "^blk\\.\\d+\\.attn_output\\.weight$=q4_k\n"
                                                               "^blk\\.\\d+\\.ffn_gate\\.weight$=q4_k\n"
                                                               "^blk\\.\\d+\\.ffn_up\\.weight$=q4_k\n"
                                                               "^blk\\.(0|2)\\.ffn_down\\.weight$=q4_k\n"
                                                               "^blk\\.(1|3)\\.ffn_down\\.weight$=q6_k\n"));
    }

    void roundTripsAndRefusals() {
        roundTrips("llama_quantize",
                   {std::nullopt, ggml("q4_k"), ggml("q8_0"), ggml("q2_k"), ggml("iq4_nl")});
        refused(readAs("llama_quantize", "attn_z=q4_0", ggml("q4_0")),
                "'attn_z=q4_0' matches none of the 28");
        refused(readAs("llama_quantize", "attn_q=iq2_xxs", ggml("q4_0")), "iq2_xxs");
        refused(readAs("llama_quantize", "attn_q", ggml("q4_0")), "PATTERN=TYPE");
        refused(readAs("llama_quantize", "attn_(q=q4_0", ggml("q4_0")), "recipe.txt");
        refused(readAs("llama_quantize", " \n", ggml("q4_0")), "holds no PATTERN=TYPE");
        std::vector<std::optional<Scheme>> schemes(28, ggml("q4_k"));
        schemes[3] = ggml("q4_k", "rtn");
        refused(writeAs("llama_quantize", schemes), "self_attn.o_proj"); // another method has no words
        schemes[3] = scheme("nf", "imatrix", {{"bits", 4}});
        refused(writeAs("llama_quantize", schemes), "self_attn.o_proj");
        refused(writeAs("llama_quantize", std::vector<std::optional<Scheme>>(28)), "every linear is kept");
    }
};

QS_TEST(RecipeFormat_llama_quantize)
#include "tst_recipe_format_llama_quantize.moc"
