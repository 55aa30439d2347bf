// SPDX-License-Identifier: GPL-3.0-or-later
// The slider over named stops: mouse, keys, what shares a drag, and what it says to assistive technology.
#include "tests/support/qs_test.h"
#include "widgets/editors/StopSlider.h"

#include <QSignalSpy>

using namespace qs;
using namespace qs::ui;

class TstStopSlider : public QObject {
    Q_OBJECT
private slots:
    void init() {
        m_slider = std::make_unique<StopSlider>();
        m_slider->resize(400, m_slider->sizeHint().height());
        m_slider->setStops({{"Q2", "a"}, {"Q3", "b"}, {"Q4", "c"}, {"Q8", "d"}}, 1);
        m_slider->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_slider.get()));
    }

    void settingIsSilent() {
        QSignalSpy chosen(m_slider.get(), &StopSlider::stopChosen);
        m_slider->setStops({{"Q2", "a"}, {"Q8", "d"}}, 1);
        QCOMPARE(m_slider->currentStop(), 1);
        m_slider->setStops({{"Q2", "a"}}, -1);
        QCOMPARE(m_slider->currentStop(), -1);
        m_slider->setStops({}, -1);
        QVERIFY(!m_slider->isEnabled());
        QVERIFY(!m_slider->grab().isNull());
        QCOMPARE(chosen.count(), 0);
    }

    void stopsAreSpreadEvenly() {
        const double step = m_slider->stopPosition(1).x() - m_slider->stopPosition(0).x();
        QVERIFY(step > 80);
        for (int i = 1; i < 4; ++i)
            QVERIFY(std::fabs(m_slider->stopPosition(i).x() - m_slider->stopPosition(i - 1).x() - step) <
                    1e-9);
    }

    void aDragSharesOneId() {
        QSignalSpy chosen(m_slider.get(), &StopSlider::stopChosen);
        const auto at = [&](int stop) { return m_slider->stopPosition(stop).toPoint(); };
        QTest::mousePress(m_slider.get(), Qt::LeftButton, {}, at(2));
        QVERIFY(m_slider->isSliderDown());
        QTest::mouseMove(m_slider.get(), at(3));
        QTest::mouseMove(m_slider.get(), at(3) + QPoint(3, 2)); // the same stop: nothing to say
        QTest::mouseMove(m_slider.get(), QPoint(-500, 4));      // beyond the end
        QTest::mouseRelease(m_slider.get(), Qt::LeftButton, {}, at(0));
        QVERIFY(!m_slider->isSliderDown());
        QCOMPARE(chosen.count(), 3);
        QCOMPARE(chosen[0][0].toInt(), 2);
        QCOMPARE(chosen[1][0].toInt(), 3);
        QCOMPARE(chosen[2][0].toInt(), 0);
        const int id = chosen[0][1].toInt();
        QVERIFY(id > 0);
        QVERIFY(chosen[1][1].toInt() == id && chosen[2][1].toInt() == id);
        QTest::mouseClick(m_slider.get(), Qt::LeftButton, {}, at(2));
        QVERIFY(chosen[3][1].toInt() > id); // another drag
        QTest::mouseClick(m_slider.get(), Qt::RightButton, {}, at(0));
        QCOMPARE(chosen.count(), 4);
    }

    void keysAreSingleEdits() {
        QSignalSpy chosen(m_slider.get(), &StopSlider::stopChosen);
        m_slider->setFocus();
        QTest::keyClick(m_slider.get(), Qt::Key_Right);
        QTest::keyClick(m_slider.get(), Qt::Key_End);
        QTest::keyClick(m_slider.get(), Qt::Key_End); // there already
        QCOMPARE(chosen.count(), 2);
        QCOMPARE(chosen[0], (QList<QVariant>{2, 0}));
        QCOMPARE(chosen[1], (QList<QVariant>{3, 0}));
        QCOMPARE(m_slider->accessibleDescription(), QStringLiteral("Q8"));
    }

    /// Without a stop of its own, a key or a press brings it to one, whichever value Qt remembers.
    void fromNowhere() {
        const QVector<SliderStop> stops = m_slider->stops();
        QSignalSpy chosen(m_slider.get(), &StopSlider::stopChosen);
        m_slider->setStops(stops, -1);
        m_slider->setFocus();
        QTest::keyClick(m_slider.get(), Qt::Key_Left);
        QCOMPARE(m_slider->currentStop(), 0);
        m_slider->setStops(stops, -1);
        QTest::mouseClick(m_slider.get(), Qt::LeftButton, {}, m_slider->stopPosition(0).toPoint());
        QCOMPARE(m_slider->currentStop(), 0);
        QCOMPARE(chosen.count(), 2);
        QCOMPARE(chosen[0][0].toInt(), 0);
        QCOMPARE(chosen[1][0].toInt(), 0);
    }

private:
    std::unique_ptr<StopSlider> m_slider;
};

QS_TEST(TstStopSlider)
#include "tst_stop_slider.moc"
