"""Images from modalities and PACS over the DICOM network."""
