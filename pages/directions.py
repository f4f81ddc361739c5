import streamlit as st

st.write("being built")
