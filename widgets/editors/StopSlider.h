// SPDX-License-Identifier: GPL-3.0-or-later
// StopSlider: a slider over a few named stops (Q2_K ... Q8_0). Mouse: press or drag to a stop. Keys: those of
// a slider. A drag is one edit: what it changes on its way shares one id.
#pragma once

#include <QAbstractSlider>
#include <QVector>

namespace qs::ui {

struct SliderStop {
    QString label, help;
    bool operator==(const SliderStop&) const = default;
};

class StopSlider : public QAbstractSlider {
    Q_OBJECT
public:
    explicit StopSlider(QWidget* parent = nullptr);

    /// `current`: -1 shows no handle (the value is none of the stops). Does not emit stopChosen().
    void setStops(const QVector<SliderStop>& stops, int current);
    const QVector<SliderStop>& stops() const { return m_stops; }
    int currentStop() const { return m_none ? -1 : value(); }
    QPointF stopPosition(int stop) const; ///< the middle of its dot

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {140, sizeHint().height()}; }

signals:
    /// By the user. `dragId`: above 0 and the same from press to release; 0 for keys and the wheel.
    void stopChosen(int stop, int dragId);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void sliderChange(SliderChange change) override;
    bool event(QEvent* event) override;

private:
    int stopAt(double x) const;
    void choose(int stop);
    void paintTrack(QPainter& painter) const;
    void paintLabels(QPainter& painter) const;

    QVector<SliderStop> m_stops;
    bool m_none = true;
    int m_from = -1;     ///< where the present drag began
    int m_dragId = 0;    ///< of the present drag, 0 outside one
    bool m_told = false; ///< setStops() is at work
};

} // namespace qs::ui
