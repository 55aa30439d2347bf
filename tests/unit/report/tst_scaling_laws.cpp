// SPDX-License-Identifier: Apache-2.0
// The two laws against hand arithmetic, and what is counted of a model.
#include "core/report/scaling_laws.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class ScalingLaws : public QObject {
    Q_OBJECT
    static SizedQuality point(double log2Bits, int width, double quality) {
        return {"p", std::exp2(log2Bits), width, quality};
    }
    static std::vector<std::optional<Scheme>> everywhere(const Model& model, int bits) {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}}}, {"method", "rtn"}}, "test");
        return std::vector<std::optional<Scheme>>(model.targets().size(),
                                                  scheme ? std::optional(*scheme) : std::nullopt);
    }
    static std::shared_ptr<const Model> smallModel(const char* name, const char* tied) {
        const auto folder = scratchDir(name);
        const SmallModelShape shape;
        auto config = smallConfig(shape);
        config["tie_word_embeddings"] = std::string(tied) == "tied";
        if (!writeSmallModel(folder, shape, config)) return nullptr;
        auto model = openModel(folder);
        return model ? *model : nullptr;
    }

private slots:
    /// 10^(log10 0.017 + 11 * 0.5251 - 9 * 0.2261 - 5.4967 log10 4) = 10^-1.3376942.
    void degradation() {
        const auto e = estimateQid(1e9, 1e11, 4);
        QS_VERIFY_OK(e);
        QVERIFY2(std::fabs(e->nats - 0.0459521) <= 5e-7, std::to_string(e->nats).c_str());
        QVERIFY(e->outside.empty());
        // One thing doubled at a time.
        const double tokens = estimateQid(1e9, 2e11, 4)->nats, parameters = estimateQid(2e9, 1e11, 4)->nats,
                     bits = estimateQid(1e9, 1e11, 2)->nats;
        QVERIFY(std::fabs(tokens / e->nats - std::exp2(0.5251)) <= 1e-9);
        QVERIFY(std::fabs(parameters / e->nats - std::exp2(-0.2261)) <= 1e-9);
        QVERIFY(std::fabs(bits / e->nats - std::exp2(5.4967)) <= 1e-9);
    }

    void beyondTheFit() {
        const auto e = estimateQid(7e10, 1.5e13, 8);
        QS_VERIFY_OK(e);
        QCOMPARE(e->outside.size(), size_t(3));
        QCOMPARE(e->outside[0], std::string("70 B parameters are above 11.3 B"));
        QCOMPARE(e->outside[1], std::string("15 T training tokens are above 206 B"));
        QCOMPARE(e->outside[2], std::string("8 bits are above 4"));
        QCOMPARE(estimateQid(1e6, 1e10, 3)->outside[0], std::string("1 M parameters are below 85.1 M"));
        QVERIFY(estimateQid(85056000, 1e9, 2)->outside.empty()); // the corners belong to it
        QVERIFY(estimateQid(11327027200, 206e9, 4)->outside.empty());
        for (const double bad : {0.0, -1.0, double(NAN), double(INFINITY)}) {
            const auto refused = estimateQid(1e9, bad, 4);
            QVERIFY(!refused && refused.error().where == "training tokens");
        }
        QCOMPARE(estimateQid(1e9, 1e11, 0).error().describe(),
                 std::string("bits: must be a number above 0, not 0"));
    }

    /// By hand: q and o 32 x 32, k and v 16 x 32, three of 64 x 32, two norms of 32; two blocks, a last norm.
    void parametersWithoutEmbeddings() {
        const auto model = smallModel("laws-tied", "tied");
        QVERIFY(model);
        const auto n = nonEmbeddingParameters(*model);
        QS_VERIFY_OK(n);
        QCOMPARE(*n, uint64_t(2 * (2 * 1024 + 2 * 512 + 3 * 2048 + 64) + 32));
        QCOMPARE(model->parameterCount(), *n + 50 * 32);
    }

    void leastSquares() {
        const auto law = kBitLaw({point(10, 4, 1), point(11, 4, 2), point(12, 4, 2)});
        QS_VERIFY_OK(law);
        QCOMPARE(law->lines.size(), size_t(1));
        // Means 11 and 5/3: slope (1 * 2/3 + 1 * 1/3) / 2.
        QVERIFY(std::fabs(law->lines[0].slope - 0.5) <= 1e-12);
        QVERIFY(std::fabs(law->lines[0].at(std::exp2(11)) - 5.0 / 3) <= 1e-12);
        QCOMPARE(law->lines[0].points, size_t(3));
        QVERIFY(law->ranges.empty() && law->verdict == KBitLaw::Verdict::Undecided);
    }

    void frontierIsWhatNothingBeats() {
        const auto law = kBitLaw({point(30, 4, 3), point(31, 8, 3.1), point(32, 4, 2), point(32, 8, 2.5),
                                  point(33, 16, 1.9), point(30, 3, 3), point(34, 0, 1.8)});
        QS_VERIFY_OK(law);
        QCOMPARE(law->onFrontier, std::vector<char>({1, 0, 1, 0, 1, 1, 1})); // equal ones both stay
        QVERIFY(std::ranges::none_of(law->lines, [](const WidthLine& l) { return l.width == 0; }));
    }

    void fourBitsAreBest() {
        const auto law = kBitLaw({point(30, 4, 3), point(32, 4, 2), point(31, 8, 3.1), point(33, 8, 2.1)});
        QS_VERIFY_OK(law);
        QCOMPARE(law->ranges.size(), size_t(1)); // where both reach
        QVERIFY(std::fabs(std::log2(law->ranges[0].leastBits) - 31) <= 1e-9);
        QVERIFY(std::fabs(std::log2(law->ranges[0].mostBits) - 32) <= 1e-9);
        QCOMPARE(law->ranges[0].width, 4);
        QCOMPARE(law->ranges[0].compared, std::vector<int>({4, 8}));
        QVERIFY(law->verdict == KBitLaw::Verdict::Agrees);
        QVERIFY(kBitVerdict(*law).starts_with("The runs agree:"));
    }

    /// 3 bits stay at 2.6; 4 bits come down from 3 at 2^30 to 2 at 2^32, so they cross at 2^30.8.
    void linesThatCross() {
        const auto law = kBitLaw({point(30, 4, 3), point(32, 4, 2), point(30, 3, 2.6), point(34, 3, 2.6)});
        QS_VERIFY_OK(law);
        QCOMPARE(law->ranges.size(), size_t(2));
        QCOMPARE(law->ranges[0].width, 3);
        QVERIFY(std::fabs(std::log2(law->ranges[0].mostBits) - 30.8) <= 1e-9);
        QCOMPARE(law->ranges[1].width, 4);
        QVERIFY(std::fabs(std::log2(law->ranges[1].mostBits) - 32) <= 1e-9);
        QVERIFY(law->verdict == KBitLaw::Verdict::Partly);
    }

    void otherAnswers() {
        const auto worse = kBitLaw({point(30, 4, 3), point(32, 4, 2), point(30, 3, 2.5), point(32, 3, 1.5)});
        QVERIFY(worse && worse->verdict == KBitLaw::Verdict::Disagrees);
        // Without four bits, or without a size in common, there is no answer.
        const auto without = kBitLaw({point(30, 3, 3), point(32, 3, 2), point(30, 8, 4), point(32, 8, 3)});
        QVERIFY(without && without->ranges.size() == 1);
        QVERIFY(without->verdict == KBitLaw::Verdict::Undecided);
        const auto apart = kBitLaw({point(30, 3, 3), point(31, 3, 2), point(32, 4, 4), point(33, 4, 3)});
        QVERIFY(apart && apart->ranges.empty() && apart->verdict == KBitLaw::Verdict::Undecided);
        QVERIFY(kBitVerdict(*apart).starts_with("The runs cannot tell"));
        const auto none = kBitLaw({});
        QVERIFY(none && none->onFrontier.empty());
        QCOMPARE(kBitLaw({{"B", 0, 4, 1}}).error().describe(),
                 std::string("B: total bits must be above 0, not 0"));
        QVERIFY(!kBitLaw({{"B", 8, 4, NAN}}));
    }

    void widthOfAPlan() {
        const auto model = smallModel("laws-width", "tied");
        QVERIFY(model);
        auto schemes = everywhere(*model, 4);
        QVERIFY(schemes[0]);
        QCOMPARE(bitWidth(planFromSchemes(schemes, *model, 0)), 4);
        const auto eight = everywhere(*model, 8);
        schemes[1] = eight[1]; // k of the first block: 512 of 18432 weights
        QCOMPARE(bitWidth(planFromSchemes(schemes, *model, 0)), 4);
        for (size_t i = 0; i < schemes.size() / 2; ++i)
            schemes[i] = eight[i];
        QCOMPARE(bitWidth(planFromSchemes(schemes, *model, 0)), 0);
        for (auto& s : schemes)
            s.reset();
        QCOMPARE(bitWidth(planFromSchemes(schemes, *model, 0)), 0);
        QCOMPARE(storedWidth(*model), 32); // float32
    }
};

QS_TEST(ScalingLaws)
#include "tst_scaling_laws.moc"
