// SPDX-License-Identifier: Apache-2.0
#include "core/base/job.h"

#include "tests/support/qs_test.h"

#include <cmath>
#include <thread>
#include <vector>

using namespace qs;

namespace {
struct Recorder {
    std::vector<Progress> seen;
    JobContext context(std::stop_token stop = {}) {
        return JobContext(stop, [this](const Progress& p) { seen.push_back(p); });
    }
};
} // namespace

#define VERIFY_NEAR(a, b) QVERIFY2(std::abs((a) - (b)) <= 1e-12, qPrintable(QString::number(a)))

class TestJob : public QObject {
    Q_OBJECT
private slots:
    void emptyContextDoesNothing() {
        const JobContext job;
        QVERIFY(!job.stopRequested());
        QVERIFY(job.checkpoint().has_value());
        job.report("phase", 1, 2); // no sink: no effect
    }
    void cancelReachesEveryCopy() {
        std::stop_source source;
        Recorder recorder;
        const JobContext job = recorder.context(source.get_token());
        const JobContext inner = job.part(0.25, 0.5).silent();
        QVERIFY(inner.checkpoint().has_value());
        source.request_stop();
        for (const JobContext& c : {job, inner}) {
            QVERIFY(c.stopRequested());
            QVERIFY(c.checkpoint().isCancelled());
        }
    }
    void partsNest() {
        Recorder recorder;
        const JobContext job = recorder.context();
        const JobContext second = job.part(0.5, 1.0);
        const JobContext last = second.part(0.8, 1.0);
        job.report("a", 1, 4);
        second.report("b", 1, 4);
        last.report("c", 1, 2);
        QCOMPARE(recorder.seen.size(), size_t(3));
        VERIFY_NEAR(recorder.seen[0].fraction(), 0.25);
        VERIFY_NEAR(recorder.seen[1].fraction(), 0.5 + 0.5 * 0.25);
        VERIFY_NEAR(recorder.seen[2].fraction(), 0.9 + 0.1 * 0.5); // last is [0.9, 1.0] of the job
        QCOMPARE(recorder.seen[2].phase, std::string("c"));
    }
    void fractionsStayInRange() {
        Recorder recorder;
        const JobContext job = recorder.context().part(0.2, 0.4);
        job.report("over", 9, 3);
        job.report("under", -1, 3);
        job.report("unknown", 5, 0);
        VERIFY_NEAR(recorder.seen[0].fraction(), 0.4);
        VERIFY_NEAR(recorder.seen[1].fraction(), 0.2);
        VERIFY_NEAR(recorder.seen[2].fraction(), 0.2);
        QCOMPARE(Progress().fraction(), 0.0);
    }
    void silentDropsReports() {
        Recorder recorder;
        recorder.context().silent().report("x", 1, 2);
        QVERIFY(recorder.seen.empty());
    }
    void estimateFollowsTheRate() {
        Recorder recorder;
        const JobContext job = recorder.context();
        job.report("start", 1, 4);
        QVERIFY(recorder.seen[0].secondsLeft < 0); // too early to tell
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        job.report("noise", 1, 1000);
        QVERIFY(recorder.seen[1].secondsLeft < 0); // too little done to tell
        job.report("quarter", 1, 4);
        // A quarter took t >= 0.3 s: three quarters take 3 t.
        const double left = recorder.seen[2].secondsLeft;
        QVERIFY2(left >= 0.9 && left < 30, qPrintable(QString::number(left)));
        job.report("end", 4, 4);
        QCOMPARE(recorder.seen[3].secondsLeft, 0.0);
    }
};

QS_TEST(TestJob)
#include "tst_job.moc"
