// SPDX-License-Identifier: GPL-3.0-or-later
// ToolRow: the 32 px row above a picture: title, labels, controls, a line below.
// HintStrip: a line of keys and words below a picture: "Drag to brush . [2]...[8] set bits".
#pragma once

#include <QHBoxLayout>
#include <QLabel>
#include <QVector>
#include <QWidget>

namespace qs::ui {

class ToolRow : public QWidget {
    Q_OBJECT
public:
    explicit ToolRow(QWidget* parent = nullptr);
    QLabel* addTitle(const QString& text); ///< bold
    QLabel* addLabel(const QString& text); ///< text2, optional
    void addWidget(QWidget* widget) { m_layout->addWidget(widget, 0, Qt::AlignVCenter); }
    /// What only explains is hidden while the row is too narrow, the first one added before the others.
    void addOptional(QWidget* widget);
    void addStretch() { m_layout->addStretch(1); }
    QSize minimumSizeHint() const override;
    /// While a picture streams in: an accent line along the bottom edge, `fraction` of the width; negative
    /// removes it.
    void setProgress(double fraction);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool event(QEvent* event) override;

private:
    void applyColors();
    void fit();
    QHBoxLayout* m_layout;
    QVector<QLabel*> m_labels;
    QVector<QWidget*> m_optional;
    double m_progress = -1;
};

class HintStrip : public QWidget {
    Q_OBJECT
public:
    /// `hint`: words, with keys in square brackets. `legend`: pairs of an icon name and its word,
    /// right-aligned.
    explicit HintStrip(const QString& hint, QWidget* parent = nullptr);
    void setHint(const QString& hint);
    void setLegend(const QVector<QPair<QString, QString>>& legend);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {120, sizeHint().height()}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_hint;
    QVector<QPair<QString, QString>> m_legend;
};

} // namespace qs::ui
