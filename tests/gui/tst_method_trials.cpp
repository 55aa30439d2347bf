// SPDX-License-Identifier: GPL-3.0-or-later
// Methods are solved for the tensor in the lens; one that ends after the lens has left must not be taken
// apart.
#include "app/pages/AnatomyPane.h"
#include "app/pages/DistributionPage.h"
#include "app/pages/InspectPage.h"
#include "tests/gui/WindowFixture.h"

using namespace qs;
using namespace qs::test;

class MethodTrialsTest : public QObject {
    Q_OBJECT
private slots:
    void aTrialThatEndsLateIsDropped() {
        constexpr int kLong = 180000, kPauseMs = 400; // a factorization: long enough to leave
        const WindowHome home("method-trials");
        WindowFixture w(home, kPauseMs);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 2));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        w.session()->selection()->selectOne(0);
        w.trigger("distribution");
        app::Lens* lens = w->inspectPage()->distribution()->lens();
        QTRY_VERIFY_WITH_TIMEOUT(lens->original(), kLong);
        const auto& trials = w.find<app::AnatomyPane>("anatomyPane")->trials();
        const auto solving = [&] {
            return std::any_of(trials.trials().begin(), trials.trials().end(),
                               [](const app::MethodTrial& t) { return t.note.contains(u"being solved"); });
        };
        QTRY_VERIFY_WITH_TIMEOUT(solving() && w.session()->engine()->activeCount() > 0, kLong);
        w->inspectPage()->setCurrentIndex(0); // nobody looks at the trials any more
        lens->show(-1);
        QVERIFY(!lens->original());
        QTRY_COMPARE_WITH_TIMEOUT(w.session()->engine()->activeCount(), 0, kLong);
        QTRY_VERIFY_WITH_TIMEOUT(!solving(), kLong); // it has ended, and was noted
        w.trigger("distribution");
        QTRY_VERIFY_WITH_TIMEOUT(lens->original(), kLong);
    }
};

QS_TEST(MethodTrialsTest)
#include "tst_method_trials.moc"
