// SPDX-License-Identifier: GPL-3.0-or-later
// Chip: a short status on a soft fill: "12 cells: blocks 2-5", "7 outlier channels", "fits 2 GiB".
#pragma once

#include <QWidget>

namespace qs::ui {

class Chip : public QWidget {
    Q_OBJECT
public:
    enum class Tone { Neutral, Selection, Ok, Warning, Error, Predicted };

    explicit Chip(const QString& text = {}, Tone tone = Tone::Neutral, QWidget* parent = nullptr);
    /// Empty text hides the chip.
    void setText(const QString& text);
    QString text() const { return m_text; }
    void setTone(Tone tone);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

    static void paintChip(QPainter& painter, const QRectF& rect, const QString& text, Tone tone);

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override; ///< a text cut short is its own tooltip

private:
    QString m_text;
    Tone m_tone;
};

} // namespace qs::ui
