// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/layer_card.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;
using Kind = LayerFinding::Kind;

namespace {

const LayerFinding* find(const std::vector<LayerFinding>& list, Kind kind) {
    for (const LayerFinding& f : list)
        if (f.kind == kind) return &f;
    return nullptr;
}

LayerFacts facts() {
    LayerFacts f;
    f.activations = ActivationsKnown::Yes;
    f.inputEnergy = std::vector<double>(16, 1.0);
    f.kurtosis = 5;
    f.outputError = true;
    f.errorNow = 0.02;
    f.errorNearest = 0.03;
    f.groupShare = {0.25, 0.25, 0.25, 0.25};
    f.groupSize = 4;
    return f;
}

} // namespace

class LayerCardRules : public QObject {
    Q_OBJECT
private slots:
    void fewChannelsHoldTheEnergy() {
        LayerFacts f = facts();
        f.inputEnergy[3] = 50; // 14 others of 1: median 1, total 14 + 50 + 36
        f.inputEnergy[9] = 36; // exactly 36 times the median
        const auto list = layerFindings(f);
        const LayerFinding* e = find(list, Kind::EnergyInFew);
        QVERIFY(e);
        QCOMPARE(e->channels, (std::vector<size_t>{3, 9}));
        QVERIFY(std::fabs(e->value - 0.86) <= 1e-12);
        QVERIFY(std::fabs(e->other - 0.125) <= 1e-12);
        QVERIFY(!find(list, Kind::EnergySpread));
        f.inputEnergy[9] = 35.9;
        const auto one = layerFindings(f);
        QCOMPARE(find(one, Kind::EnergyInFew)->channels, (std::vector<size_t>{3}));
        f.inputEnergy[3] = 35;
        f.inputEnergy[9] = 1;
        const auto none = layerFindings(f);
        QVERIFY(!find(none, Kind::EnergyInFew));
        QCOMPARE(find(none, Kind::EnergySpread)->channels, (std::vector<size_t>{3}));
        QVERIFY(std::fabs(find(none, Kind::EnergySpread)->value - 0.7) <= 1e-12); // 35 / 50
    }
    void atMostEightAreNamed() {
        LayerFacts f = facts();
        f.inputEnergy = std::vector<double>(64, 1.0);
        for (size_t c = 0; c < 20; ++c)
            f.inputEnergy[c * 3] = 100 + double(c);
        const auto list = layerFindings(f);
        QCOMPARE(find(list, Kind::EnergyInFew)->channels,
                 (std::vector<size_t>{57, 54, 51, 48, 45, 42, 39, 36}));
    }
    void withoutActivationsItSaysWhy() {
        for (const auto known :
             {ActivationsKnown::NotCalibrated, ActivationsKnown::NoTokens, ActivationsKnown::Never}) {
            LayerFacts f = facts();
            f.activations = known;
            f.inputEnergy.clear();
            const auto list = layerFindings(f);
            QVERIFY(find(list, Kind::NoActivations));
            QCOMPARE(find(list, Kind::NoActivations)->activations, known);
            QVERIFY(!find(list, Kind::EnergyInFew) && !find(list, Kind::EnergySpread));
        }
        LayerFacts silent = facts(); // calibrated, but every input was 0
        silent.inputEnergy.assign(16, 0.0);
        const auto list = layerFindings(silent);
        QCOMPARE(find(list, Kind::NoActivations)->activations, ActivationsKnown::NoTokens);
    }
    void tails() {
        LayerFacts f = facts();
        QVERIFY(!find(layerFindings(f), Kind::HeavyTails) && !find(layerFindings(f), Kind::LightTails));
        f.kurtosis = 6.5;
        const auto heavy = layerFindings(f);
        QCOMPARE(find(heavy, Kind::HeavyTails)->value, 6.5);
        f.kurtosis = 3;
        QVERIFY(find(layerFindings(f), Kind::LightTails));
        f.kurtosis = kNotKnown;
        QVERIFY(!find(layerFindings(f), Kind::HeavyTails) && !find(layerFindings(f), Kind::LightTails));
    }
    void theGroupThatCarriesTheError() {
        LayerFacts f = facts();
        f.inputEnergy[10] = 9;
        f.groupShare = {0.05, 0.1, 0.75, 0.1}; // 0.75 is exactly 3 times the even share
        const auto list = layerFindings(f);
        const LayerFinding* g = find(list, Kind::ErrorInOneGroup);
        QVERIFY(g);
        QCOMPARE(g->group, size_t(2));
        QCOMPARE(g->first, size_t(8));
        QCOMPARE(g->last, size_t(11));
        QCOMPARE(g->channels, (std::vector<size_t>{10}));
        QCOMPARE(g->value, 0.75);
        QCOMPARE(g->other, 0.25);
        f.groupShare = {0.06, 0.1, 0.74, 0.1};
        QVERIFY(!find(layerFindings(f), Kind::ErrorInOneGroup));
        f.groupShare = {1.0}; // one group always carries everything
        QVERIFY(!find(layerFindings(f), Kind::ErrorInOneGroup));
    }
    void theErrorAndWhatItIsComparedWith() {
        LayerFacts f = facts();
        auto list = layerFindings(f);
        const LayerFinding* e = find(list, Kind::Error);
        QVERIFY(e && e->outputError);
        QCOMPARE(e->value, 0.02);
        QCOMPARE(e->other, 0.03);
        f.errorNow = kNotKnown; // a solver without calibration
        list = layerFindings(f);
        QVERIFY(!find(list, Kind::Error));
        QCOMPARE(find(list, Kind::NearestError)->value, 0.03);
        f.errorNearest = kNotKnown;
        list = layerFindings(f);
        QVERIFY(!find(list, Kind::Error) && !find(list, Kind::NearestError));
    }
    void aKeptTensorHasNoError() {
        LayerFacts f = facts();
        f.kept = true;
        f.groupShare = {1, 0, 0, 0};
        const auto list = layerFindings(f);
        QVERIFY(find(list, Kind::Kept));
        QVERIFY(!find(list, Kind::Error) && !find(list, Kind::ErrorInOneGroup));
    }
};

QS_TEST(LayerCardRules)
#include "tst_layer_card.moc"
